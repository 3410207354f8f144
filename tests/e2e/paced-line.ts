import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Bytes that are handed on at once. */
const TURN_BYTES = 64 * 1024;

/** A line to a TCP server of the loopback on which each connection goes at a rate of its own, and can be cut. */
export class PacedLine implements Disposable {
  /** Connections from clients, in the order in which they came. */
  readonly connections: Socket[] = [];
  readonly #server: Server;
  readonly #bytesPerMs: number;

  private constructor(server: Server, bytesPerSecond: number, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#bytesPerMs = bytesPerSecond / 1000;
    server.on("connection", (near) => {
      this.connections.push(near);
      const far = connect({ ...target, noDelay: true, allowHalfOpen: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("error", () => undefined).on("close", () => to.destroy());
        void this.#copy(from, to);
      }
    });
  }

  static async to(target: { readonly host: string; readonly port: number }, bytesPerSecond: number): Promise<PacedLine> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new PacedLine(server, bytesPerSecond, target);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #copy(from: Socket, to: Socket): Promise<void> {
    let paidAt = performance.now();
    try {
      for await (const data of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < data.length; at += TURN_BYTES) {
          const part = data.subarray(at, at + TURN_BYTES);
          const now = performance.now();
          paidAt = Math.max(paidAt, now - 20) + part.length / this.#bytesPerMs;
          if (paidAt > now + 1) await new Promise((resolve) => setTimeout(resolve, paidAt - now));
          if (!to.write(part)) await new Promise((resolve) => to.once("drain", resolve).once("close", resolve));
        }
      }
      to.end();
    } catch {
      to.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.connections) socket.destroy();
  }
}
