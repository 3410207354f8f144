import { type IncomingMessage, request as httpRequest } from "node:http";
import type { ClientSession } from "@kwik/core";
import { openTunnel, type TunnelAddress } from "@kwik/tunnel";
import { MAX_HTTP_HEAD_BYTES } from "./http-head-limit.ts";
import { TunnelDuplex } from "./tunnel-duplex.ts";

/**
 * A GET at a target behind a gateway of the session, over a connection of its own; `path` is in origin form. Resolves when the response's head is there. Rejects as
 * `openTunnel`, with TunnelRefusedError, and with what broke the connection off.
 */
export async function requestThrough(
  session: ClientSession,
  target: TunnelAddress,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const tunnel = await openTunnel(session, { kind: "tcp", ...target });
  await tunnel.connected;
  const duplex = new TunnelDuplex(tunnel);
  duplex.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => duplex,
      method: "GET",
      path,
      headers: { ...headers, Connection: "close" },
      setDefaultHeaders: false,
      maxHeaderSize: 4 * MAX_HTTP_HEAD_BYTES,
    });
    request.on("response", resolve).on("error", reject);
    request.end();
  });
}
