import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Role } from "../process/role.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";

export interface ForwarderOptions {
  /** The ports that connections go to, each by a port of its own. */
  readonly targets: readonly number[];
  /** Which side is encrypted, with TLS 1.3: the one that connects here, or the one that is connected to. Default: neither. */
  readonly tls?: "in" | "out";
}

/** A forwarder of TCP of bare Node: each connection is one to the target, piped both ways. Ready with its ports, in the order of the targets. */
export async function forwarder({ targets, tls }: ForwarderOptions): Promise<Role> {
  const ports: number[] = [];
  for (const port of targets) {
    const forward = (near: Socket): void => join(near, tls === "out" ? toTls(port) : connect({ port, host: "127.0.0.1", noDelay: true }));
    const server = listening(forward, tls === "in").listen(0, "127.0.0.1");
    await once(server, "listening");
    ports.push((server.address() as AddressInfo).port);
  }
  return { ready: ports, commands: {} };
}

function listening(forward: (near: Socket) => void, isEncrypted: boolean): Server {
  if (!isEncrypted) return createServer({ noDelay: true }, forward);
  return createTlsServer({ ...loopbackCertificate(), minVersion: "TLSv1.3", noDelay: true }, forward);
}

function toTls(port: number): Socket {
  // audited: the certificate was made for this run, on this machine.
  return connectTls({ port, host: "127.0.0.1", minVersion: "TLSv1.3", rejectUnauthorized: false }).setNoDelay(true);
}

function join(near: Socket, far: Socket): void {
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.pipe(far).pipe(near);
}
