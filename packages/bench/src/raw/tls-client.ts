import { once } from "node:events";
import { connect } from "node:tls";
import type { Role } from "../process/role.ts";
import { pipeClient } from "./pipe-client.ts";
import { pipeOver } from "./socket-pipe.ts";

/** A TLS client without kwik; its commands are those of the kwik client, with one stream. */
export function tlsClient(argument: { readonly port: number }): Promise<Role> {
  return pipeClient(async () => {
    // audited: measurements on this machine only
    const socket = connect({ port: argument.port, host: "127.0.0.1", rejectUnauthorized: false, minVersion: "TLSv1.3" });
    socket.setNoDelay(true);
    await once(socket, "secureConnect");
    return pipeOver(socket);
  });
}
