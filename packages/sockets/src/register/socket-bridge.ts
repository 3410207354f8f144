import { createServer, type Server, type Socket } from "node:net";
import { splice } from "@kwik/splice";
import type { Attachment, SocketStream } from "../net/attachment.ts";

/** How long a connection to the bridge may be nobody's before it is ended, in milliseconds: a stranger's is for ever. */
const UNKNOWN_MS = 1000;

/**
 * Gives a socket of Node the bytes of a kwik stream, by a connection on the loopback inside the process: so it stays a `net.Socket` in every respect. Only sockets
 * that were announced get anything; they are known by their port, which nobody else can have at the same time.
 */
export class SocketBridge {
  #server: Promise<Server> | undefined;
  /** Ends of the bridge, and streams for them, by the port of the program's socket; whichever came first waits. */
  readonly #ends = new Map<number, Socket>();
  readonly #attachments = new Map<number, Attachment>();

  /** The port on 127.0.0.1 that a socket has to connect to. */
  async port(): Promise<number> {
    this.#server ??= this.#start();
    const address = (await this.#server).address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** To be called when the program's socket, of that local port, has connected to the bridge. */
  join(localPort: number, attachment: Attachment): void {
    const end = this.#ends.get(localPort);
    this.#ends.delete(localPort);
    if (end === undefined) this.#attachments.set(localPort, attachment);
    else run(end, attachment);
  }

  #start(): Promise<Server> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (end) => this.#take(end));
      server.once("error", reject).listen(0, "127.0.0.1", () => resolve(server.unref()));
    });
  }

  #take(end: Socket): void {
    // The program's own end is what keeps the process running.
    end.unref().on("error", () => undefined);
    const { remotePort = 0 } = end;
    const attachment = this.#attachments.get(remotePort);
    this.#attachments.delete(remotePort);
    if (attachment !== undefined) return run(end, attachment);
    this.#ends.set(remotePort, end);
    setTimeout(() => {
      if (this.#ends.get(remotePort) !== end) return;
      this.#ends.delete(remotePort);
      end.destroy();
    }, UNKNOWN_MS).unref();
  }
}

function run(end: Socket, { stream, release }: Attachment): void {
  splice(end, tunnelEnd(stream), { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 }).then(release, release);
}

function tunnelEnd(stream: SocketStream): Parameters<typeof splice>[1] {
  return {
    read: () => stream.read(),
    write: (data) => stream.write(data),
    close: () => stream.close(),
    flushed: () => stream.flushed(),
    reset: (code) => stream.reset(code),
    stopReading: (code) => stream.stopReading(code),
    abort: (code) => {
      stream.reset(code);
      stream.stopReading(code);
    },
  };
}
