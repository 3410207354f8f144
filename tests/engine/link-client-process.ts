// Dials bare links to the servers that it is told of, fetches bytes over each, and keeps them open. Tells how each dial and fetch went.
import { isKwikError } from "@kwik/core";
import type { Link } from "@kwik/core";
import { firstDifference } from "@kwik/testkit";
import { quicTransport } from "@kwik/transport-quic";
import type { FetchOrder, FetchOutcome } from "./fetch-order.ts";

const links: Link[] = [];

async function fetchOver(order: FetchOrder): Promise<FetchOutcome> {
  const started = performance.now();
  let link: Link;
  try {
    link = await quicTransport().dial({
      address: { host: order.host, port: order.port },
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: order.dialTimeoutMs,
      signal: undefined,
    });
  } catch (error) {
    const code = isKwikError(error) ? error.code : "not a KwikError";
    return { kind: "refused", code, message: error instanceof Error ? error.message : String(error), afterMs: performance.now() - started };
  }
  links.push(link);
  return new Promise((resolve) => {
    let received = 0;
    let isRight = true;
    const end = (): void => resolve({ kind: "fetched", received, isRight });
    link.attach({ onCarrier: () => undefined, onDatagram: () => undefined, onClose: end, onBatchEnd: () => undefined });
    const carrier = link.openCarrier();
    if (carrier === undefined) {
      end();
      return;
    }
    carrier.receiver = {
      onData: (data) => {
        isRight &&= firstDifference(1, received, data) === undefined;
        received += data.length;
        if (received >= order.bytes) end();
      },
      onEnd: end,
    };
    carrier.send([Buffer.from(String(order.bytes))]);
  });
}

process.on("message", (order: FetchOrder) => void fetchOver(order).then((outcome) => process.send?.(outcome)));
process.on("disconnect", () => process.exit(0));
