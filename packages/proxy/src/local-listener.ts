import { connect, createServer, type Server, type Socket } from "node:net";
import { unlink } from "node:fs/promises";
import { KwikError } from "@kwik/core";

/** Where local clients connect. */
export type Bind = { readonly host: string; readonly port: number } | { readonly path: string };

/** "host:port", IPv6 in brackets, or the path. */
export function describeBind(bind: Bind): string {
  if ("path" in bind) return bind.path;
  return `${bind.host.includes(":") ? `[${bind.host}]` : bind.host}:${bind.port}`;
}

/** Binds a server; answers where. A unix socket that nobody serves any more is replaced. Rejects with IO. */
export async function bindServer(server: Server, bind: Bind): Promise<Bind> {
  try {
    await listening(server, bind);
  } catch (error) {
    if (!("path" in bind) || (error as NodeJS.ErrnoException).code !== "EADDRINUSE" || (await isServed(bind.path))) {
      throw new KwikError("IO", `cannot listen at ${describeBind(bind)}: ${(error as Error).message}; choose another one`, {
        cause: error,
      });
    }
    await unlink(bind.path).catch(() => undefined);
    await listening(server, bind);
  }
  const address = server.address();
  return address === null || typeof address === "string" ? bind : { host: address.address, port: address.port };
}

/** A server of raw connections: each is given to `serve`, and broken off when the listener closes. */
export class LocalListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(maxConnections: number, serve: (socket: Socket, signal: AbortSignal) => Promise<void>) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      const gone = new AbortController();
      socket.on("error", () => undefined);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        gone.abort();
      });
      void serve(socket, gone.signal).catch(() => socket.destroy());
    });
    this.#server.maxConnections = maxConnections;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Answers where it is really bound. Rejects with IO. */
  listen(bind: Bind): Promise<Bind> {
    return bindServer(this.#server, bind);
  }

  /** Takes no more connections. */
  stop(): void {
    this.#server.close();
  }

  close(): void {
    this.stop();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function listening(server: Server, bind: Bind): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen("path" in bind ? { path: bind.path } : { host: bind.host, port: bind.port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
