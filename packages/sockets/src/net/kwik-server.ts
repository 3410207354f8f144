import { EventEmitter } from "node:events";
import type { AddressInfo } from "node:net";
import { KwikError, type Listener, type ListenOptions, type ServerSession, type Stream } from "@kwik/core";
import { SocketCode } from "./attachment.ts";
import { addressInfo, addressOfSession } from "./connector.ts";
import type { KwikSocket } from "./kwik-socket.ts";
import type { KwikSocketOptions } from "./socket-options.ts";
import { codedError, listenError } from "./node-error.ts";

/** How long `close` waits, after the last connection, for clients to close their sessions, in milliseconds. Sockets of kwik do it at once. */
export const CLOSE_GRACE_MS = 1000;

export type Listen = (address: string, options: ListenOptions) => Promise<Listener>;

export interface ServerOptions extends KwikSocketOptions {
  /** How the server is known and whom it takes: certificate, authentication, limits. Default: `{ tls: "self-signed" }`, see `identity`. */
  listen?: ListenOptions;
  /** Whether connections begin paused, to be handed on before a byte is read. Default false. */
  pauseOnConnect?: boolean;
}

/** Where a server listens. */
export interface ServerListenOptions {
  /** Default 0: any free one. */
  port?: number;
  /** Default "0.0.0.0". */
  host?: string;
  /** A listener of `listen`, which becomes the server's: it takes all its sessions and closes it. Instead of `host` and `port`. */
  listener?: Listener;
}

export type ListenArguments =
  | [options: ServerListenOptions, listener?: () => void]
  | [port?: number, host?: string, listener?: () => void]
  | [port: number, listener?: () => void]
  | [listener: () => void];

/**
 * A server whose connections are the bidirectional streams of its clients' sessions, with the methods and events of `net.Server`: "listening", "connection",
 * "drop", "error", "close".
 */
export class KwikServer extends EventEmitter implements AsyncDisposable {
  /** Connections at once, at most; those above are broken off, with "drop". Default: no limit but `maxStreams` of each session. */
  maxConnections: number | undefined;
  readonly #options: ServerOptions;
  readonly #listen: Listen;
  readonly #makeSocket: (options: KwikSocketOptions) => KwikSocket;
  readonly #sockets = new Set<KwikSocket>();
  #isStarting = false;
  #listener: Listener | undefined;
  #isClosing = false;

  constructor(listen: Listen, makeSocket: (options: KwikSocketOptions) => KwikSocket, options: ServerOptions) {
    super();
    this.#listen = listen;
    this.#makeSocket = makeSocket;
    this.#options = options;
  }

  /** Begins to take connections. Emits "listening", or "error" with Node's code (EADDRINUSE). Throws ERR_SERVER_ALREADY_LISTEN. */
  listen(...args: ListenArguments): this {
    if (this.#isStarting || this.#listener !== undefined)
      throw codedError(new Error("Listen method has been called more than once without closing."), "ERR_SERVER_ALREADY_LISTEN");
    const listener = args.at(-1);
    if (typeof listener === "function") this.once("listening", listener);
    this.#isStarting = true;
    this.#isClosing = false;
    const { port = 0, host = "0.0.0.0", listener: given } = listenOptionsOf(args);
    const listening =
      given === undefined ? this.#listen(joined(host, port), { tls: "self-signed", ...this.#options.listen }) : Promise.resolve(given);
    listening.then(
      (started) => this.#started(started),
      (error: unknown) => {
        this.#isStarting = false;
        this.emit("error", listenError(error, { host, port }));
      },
    );
    return this;
  }

  get listening(): boolean {
    return this.#listener !== undefined && !this.#isClosing;
  }

  /** Where it listens; null while it does not. */
  address(): AddressInfo | null {
    return this.#listener === undefined || this.#isClosing ? null : (addressInfo(this.#listener.address) ?? null);
  }

  /** "kwik://host:port"; undefined while it does not listen. */
  get url(): string | undefined {
    return this.#listener?.url;
  }

  /** "sha256:<hex of SPKI>" of its key, which clients may pin; undefined while it does not listen. */
  get identity(): string | undefined {
    return this.#listener?.identity;
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#sockets.size);
    return this;
  }

  /**
   * Takes no more connections; "close" comes when the last one has ended. Until then new ones are broken off, and the port is in use. The callback gets
   * ERR_SERVER_NOT_RUNNING if it did not listen.
   */
  close(callback?: (error?: Error) => void): this {
    if (this.#listener === undefined || this.#isClosing) {
      const error = codedError(new Error("Server is not running."), "ERR_SERVER_NOT_RUNNING");
      if (callback !== undefined) process.nextTick(callback, error);
      return this;
    }
    if (callback !== undefined) this.once("close", callback);
    this.#isClosing = true;
    this.#closeIfDone();
    return this;
  }

  /** Does nothing: while it listens it keeps the process running. */
  ref(): this {
    return this;
  }

  /** As `ref`. */
  unref(): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.listening) await new Promise((resolve) => this.close(resolve));
  }

  #started(listener: Listener): void {
    this.#isStarting = false;
    this.#listener = listener;
    this.emit("listening");
    this.#take(listener).catch((error: unknown) => this.emit("error", error));
  }

  async #take(listener: Listener): Promise<void> {
    for await (const session of listener) {
      // A session's end is no failure of the server; its sockets have heard of it.
      this.#takeStreams(session, listener).catch((error: unknown) => this.emit("error", error));
    }
  }

  async #takeStreams(session: ServerSession, listener: Listener): Promise<void> {
    for await (const stream of session.incomingStreams()) this.#connect(session, stream, listener);
  }

  #connect(session: ServerSession, stream: Stream, listener: Listener): void {
    const local = (): AddressInfo | undefined => addressInfo(listener.address);
    const remote = (): AddressInfo | undefined => addressOfSession(session);
    if (this.#isClosing || this.#sockets.size >= (this.maxConnections ?? Infinity)) {
      stream.reset(SocketCode.refused);
      stream.stopReading(SocketCode.refused);
      if (!this.#isClosing) this.emit("drop", dropOf(local(), remote()));
      return;
    }
    const { pauseOnConnect, listen: _, ...options } = this.#options;
    const socket = this.#makeSocket(options);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#closeIfDone();
    });
    socket.adopt({ stream, local, remote, release: () => undefined }, pauseOnConnect);
    this.emit("connection", socket);
  }

  #closeIfDone(): void {
    const listener = this.#listener;
    if (!this.#isClosing || this.#sockets.size > 0 || listener === undefined) return;
    listener.close({ graceMs: CLOSE_GRACE_MS }).then(
      () => {
        this.#listener = undefined;
        this.emit("close");
      },
      (error: unknown) => this.emit("error", error),
    );
  }
}

function listenOptionsOf([first, second]: ListenArguments): ServerListenOptions {
  if (typeof first === "object") return first;
  if (typeof first === "function" || first === undefined) return {};
  if (Number.isInteger(first) && first >= 0 && first < 65536)
    return typeof second === "string" ? { port: first, host: second } : { port: first };
  throw codedError(new RangeError(`options.port should be >= 0 and < 65536. Received ${String(first)}.`), "ERR_SOCKET_BAD_PORT");
}

function joined(host: string, port: number): string {
  if (host.includes("://")) throw new KwikError("INVALID_ARGUMENT", `"${host}" is no host; give host and port, or a listener`);
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function dropOf(local: AddressInfo | undefined, remote: AddressInfo | undefined): object {
  return {
    localAddress: local?.address,
    localPort: local?.port,
    localFamily: local?.family,
    remoteAddress: remote?.address,
    remotePort: remote?.port,
    remoteFamily: remote?.family,
  };
}
