// Hand-written clients of the server of examples/line-protocol.
import { connect, type Socket } from "node:net";
import { afterAll } from "vitest";
import { sha256 } from "./kwik-process.ts";
import { type LineServer, startLineServer } from "./line-protocol-process.ts";

const sockets = new Set<Socket>();

afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

/** One raw connection. */
export class Peer {
  readonly socket: Socket;
  #received = "";
  #isOver = false;
  #wake = (): void => {};

  constructor(server: LineServer) {
    this.socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.add(this.socket);
    this.socket.on("data", (data: Buffer) => {
      this.#received += data.toString();
      this.#wake();
    });
    this.socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      this.socket.on(event, () => {
        this.#isOver = true;
        this.#wake();
      });
    }
  }

  /** A connection that has joined a session. */
  static join(server: LineServer, id: string): Peer {
    return new Peer(server).send(`SESSION|${id}\n`);
  }

  send(...parts: (string | Uint8Array)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  /** The next line from the server, without its line feed; "(end)" where there is no more. */
  async line(): Promise<string> {
    while (!this.#received.includes("\n")) {
      if (this.#isOver) return this.#received === "" ? "(end)" : `(cut) ${this.#received}`;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const end = this.#received.indexOf("\n");
    const line = this.#received.slice(0, end);
    this.#received = this.#received.slice(end + 1);
    return line;
  }

  async newSession(): Promise<string> {
    return (await this.send("SESSION|NEW\n").line()).replace("SESSION|", "");
  }
}

/** A server, and a connection that has begun a session. */
export async function inSession(...flags: string[]): Promise<{ server: LineServer; peer: Peer; id: string }> {
  const server = await startLineServer(...flags);
  const peer = new Peer(server);
  return { server, peer, id: await peer.newSession() };
}

/** What answers an item that was stored. */
export function okLine(item: string, bytes: Uint8Array): string {
  return `OK|${item}|${bytes.length}|${sha256(bytes)}`;
}
