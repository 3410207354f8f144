import { connect, createServer, type Server } from "node:tls";
import type { AddressInfo } from "node:net";

/** A TLS server with a certificate, for the tests of what a client with certain trust makes of it. */
export async function tlsServer(cert: string, key: string): Promise<{ port: number; close(): void }> {
  const server: Server = createServer({ cert, key, minVersion: "TLSv1.3" }, (socket) => {
    socket.on("error", () => {});
    socket.end();
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** "ok" if a client that trusts `ca` and expects `serverName` accepts the server, else the reason. */
export async function probe(port: number, ca: string, serverName: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, ca, servername: serverName }, () => {
      socket.destroy();
      resolve("ok");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** Runs `work` against a TLS server. */
export async function withTlsServer<T>(cert: string, key: string, work: (port: number) => Promise<T>): Promise<T> {
  const server = await tlsServer(cert, key);
  try {
    return await work(server.port);
  } finally {
    server.close();
  }
}
