import { createServer } from "node:tls";
import type { Role } from "../process/role.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";
import { serveSocket } from "./serve-socket.ts";

/** A TLS server without kwik that does what the first bytes on each connection ask, one request after the other; an echo is for good. */
export async function tlsServer(): Promise<Role> {
  const server = createServer({ ...loopbackCertificate(), minVersion: "TLSv1.3" }, serveSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { ready: typeof address === "object" ? address?.port : undefined, commands: {} };
}
