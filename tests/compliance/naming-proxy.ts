import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:tls";
import type { ServerMaterial } from "./tls-material.ts";

/** A reverse proxy in front of a server on this machine, which says whom it speaks for as ordinary ones do. */
export class NamingProxy {
  /** The address that it names for the next client. */
  client = "203.0.113.9";
  readonly #sockets = new Set<Socket>();
  readonly #server;

  private constructor(tls: ServerMaterial, serverPort: number) {
    this.#server = createServer({ ...tls, ALPNProtocols: ["http/1.1"] }, (inner) => {
      const outer = connect({ host: "127.0.0.1", port: serverPort, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => undefined);
        from.once("close", () => to.destroy());
      }
      inner.once("data", (first: Buffer) => {
        // Client and server would both do without it: the whole head is in the first packet.
        outer.write(first.toString("latin1").replace("\r\n", `\r\nX-Forwarded-For: ${this.client}\r\n`), "latin1");
        inner.pipe(outer);
      });
      outer.pipe(inner);
    });
  }

  static async to(serverPort: number, tls: ServerMaterial): Promise<NamingProxy> {
    const proxy = new NamingProxy(tls, serverPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
