import { type EventEmitter, once } from "node:events";
import net from "node:net";
import type { Duplex } from "node:stream";
import { connect, createServer, Socket } from "kwik/net";

/** What `net.Socket` and kwik's have in common, as the tests use it. */
export interface AnySocket extends Duplex {
  readonly connecting: boolean;
  readonly pending: boolean;
  readonly readyState: string;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly remoteFamily?: string | undefined;
  readonly localPort?: number | undefined;
  timeout?: number | undefined;
  connect(options: { host: string; port: number }, listener?: () => void): this;
  setTimeout(timeoutMs: number, listener?: () => void): this;
  setNoDelay(on?: boolean): this;
  setKeepAlive(on?: boolean, delayMs?: number): this;
  ref(): this;
  unref(): this;
  destroySoon(): void;
  resetAndDestroy(): this;
}

export interface AnyServer extends EventEmitter {
  readonly listening: boolean;
  maxConnections?: number | undefined;
  address(): unknown;
  close(callback?: (error?: Error) => void): this;
  getConnections(callback: (error: Error | null, count: number) => void): unknown;
  listen(options: { host: string; port: number }, listener?: () => void): this;
}

export interface AnyOptions {
  allowHalfOpen?: boolean;
  pauseOnConnect?: boolean;
  signal?: AbortSignal;
  timeout?: number;
}

/** The one test body runs in each world. */
export interface World {
  readonly name: string;
  socket(options?: AnyOptions): AnySocket;
  server(options?: AnyOptions): AnyServer;
  /** How to reach a server that listens, or nobody at a port. */
  routeTo(server: AnyServer | number): { host: string; port: number };
  connect(server: AnyServer, options?: AnyOptions): AnySocket;
}

const HOST = "127.0.0.1";

function portOf(server: AnyServer | number): number {
  if (typeof server === "number") return server;
  return (server.address() as net.AddressInfo).port;
}

const dialOptions = { trust: { dangerouslyTrustAnyServer: true } };

export const worlds: readonly World[] = [
  {
    name: "node:net",
    socket: (options) => new net.Socket(options),
    server: (options) => net.createServer(options ?? {}),
    routeTo: (server) => ({ host: HOST, port: portOf(server) }),
    connect: (server, options) => net.connect({ ...options, host: HOST, port: portOf(server) }),
  },
  {
    name: "kwik/net",
    socket: (options) => new Socket(options),
    server: (options) => createServer(options ?? {}),
    routeTo: (server) => ({ host: HOST, port: portOf(server), dial: dialOptions }),
    connect: (server, options) => connect({ ...options, host: HOST, port: portOf(server), dial: dialOptions }),
  },
];

/** A server of a test that listens on the loopback, and what ends it. */
export async function serve(world: World, options: AnyOptions = {}, onConnection?: (socket: AnySocket) => void): Promise<AnyServer> {
  const server = world.server(options);
  if (onConnection !== undefined) server.on("connection", onConnection);
  server.listen({ host: HOST, port: 0 });
  await once(server, "listening");
  return server;
}

/** Both ends of one connection. */
export async function pair(world: World, options: AnyOptions = {}): Promise<{ server: AnyServer; near: AnySocket; far: AnySocket }> {
  const server = await serve(world, options);
  const accepted = once(server, "connection");
  const near = world.connect(server, options);
  await once(near, "connect");
  const [far] = (await accepted) as [AnySocket];
  return { server, near, far };
}

/** The names of events as they come. */
export function eventsOf(socket: EventEmitter, names: readonly string[]): string[] {
  const seen: string[] = [];
  for (const name of names) {
    socket.on(name, (value?: boolean | { code?: string }) => {
      const code = typeof value === "object" ? value.code : undefined;
      seen.push(name === "close" ? `close ${value === true}` : code === undefined ? name : `${name} ${code}`);
    });
  }
  return seen;
}

export async function closed(server: AnyServer): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

/** Everything that comes, as text; the socket is left as it is then. */
export async function textOf(socket: Duplex): Promise<string> {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  await once(socket, "end");
  return Buffer.concat(parts).toString();
}
