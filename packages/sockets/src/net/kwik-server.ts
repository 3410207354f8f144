import { captureRejectionSymbol, EventEmitter } from "node:events";
import type { AddressInfo } from "node:net";
import { KwikError, type Listener, type ListenOptions, type ServerSession, type Stream } from "@kwik/core";
import { checkCallback, invalidType } from "./argument-errors.ts";
import { SocketCode } from "./attachment.ts";
import { addressInfo, addressOf } from "./connector.ts";
import type { KwikSocket } from "./kwik-socket.ts";
import { type ListenArguments, readListenArguments } from "./listen-arguments.ts";
import { codedError, listenError } from "./node-error.ts";
import type { KwikSocketOptions } from "./socket-options.ts";

/** How long `close` waits, after the last connection, for clients to close their sessions, in milliseconds. Sockets of kwik do it at once. */
export const CLOSE_GRACE_MS = 1000;

export type Listen = (address: string, options: ListenOptions) => Promise<Listener>;

export interface ServerOptions extends KwikSocketOptions {
  /** How the server is known and whom it takes: certificate, authentication, limits. Default: `{ tls: "self-signed" }`, see `identity`. */
  listen?: ListenOptions;
  /** Whether connections begin paused, to be handed on before a byte is read. Default false. */
  pauseOnConnect?: boolean;
  /** As of `EventEmitter`: whether a rejection of an async "connection" listener destroys its socket. */
  captureRejections?: boolean;
}

/** One time that a server listens, from `listen` to `close`. */
interface Listening {
  listener: Listener | undefined;
  /** Connections that came by it. */
  connections: number;
}

/**
 * A server whose connections are the bidirectional streams of its clients' sessions, with the methods and events of `net.Server`: "listening", "connection",
 * "drop", "error", "close".
 */
export class KwikServer extends EventEmitter implements AsyncDisposable {
  /** Connections at once, at most; those above are ended at once, with "drop". Default: no limit but `maxStreams` of each session. */
  maxConnections: number | undefined;
  readonly #options: ServerOptions;
  readonly #listen: Listen;
  readonly #makeSocket: (options: KwikSocketOptions) => KwikSocket;
  #listening: Listening | undefined;
  /** Closed by the program, and not gone yet: a listener ends after the last of its connections. */
  readonly #leaving = new Set<Listening>();

  constructor(listen: Listen, makeSocket: (options: KwikSocketOptions) => KwikSocket, options: ServerOptions) {
    if (typeof options !== "object") throw invalidType("options", "of type object", options);
    super(options.captureRejections === undefined ? undefined : { captureRejections: options.captureRejections });
    this.#listen = listen;
    this.#makeSocket = makeSocket;
    this.#options = options;
  }

  /** Begins to take connections. Emits "listening", or "error" with Node's code (EADDRINUSE). Throws ERR_SERVER_ALREADY_LISTEN, and as `readListenArguments`. */
  listen(...args: ListenArguments): this {
    if (this.#listening !== undefined)
      throw codedError(new Error("Listen method has been called more than once without closing."), "ERR_SERVER_ALREADY_LISTEN");
    const call = readListenArguments(args);
    if (call.host.includes("://")) throw new KwikError("INVALID_ARGUMENT", `"${call.host}" is no host; give host and port, or a listener`);
    if (call.onListening !== undefined) this.once("listening", call.onListening);
    const listening: Listening = { listener: undefined, connections: 0 };
    this.#listening = listening;
    this.#closeOnAbort(call.signal);
    const { host, port, listener } = call;
    const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const started =
      listener === undefined ? this.#listen(address, { tls: "self-signed", ...this.#options.listen }) : Promise.resolve(listener);
    started.then(
      (made) => this.#started(listening, made),
      (error: unknown) => {
        if (this.#listening === listening) this.#listening = undefined;
        if (this.#leaving.delete(listening)) this.#closedIfDone();
        else process.nextTick(() => this.emit("error", listenError(error, { host, port })));
      },
    );
    return this;
  }

  get listening(): boolean {
    return this.#listening?.listener !== undefined;
  }

  /** Where it listens; null while it does not, and until "listening". */
  address(): AddressInfo | null {
    const listener = this.#listening?.listener;
    return listener === undefined ? null : (addressInfo(listener.address) ?? null);
  }

  /** "kwik://host:port"; undefined while it does not listen. */
  get url(): string | undefined {
    return this.#listening?.listener?.url;
  }

  /** "sha256:<hex of SPKI>" of its key, which clients may pin; undefined while it does not listen. */
  get identity(): string | undefined {
    return this.#listening?.listener?.identity;
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    checkCallback("callback", callback);
    process.nextTick(callback, null, this.#connections());
    return this;
  }

  /**
   * Takes no more connections; "close" comes when the last one has ended. Until then new ones are broken off, and the port is in use. The callback gets
   * ERR_SERVER_NOT_RUNNING if it did not listen.
   */
  close(callback?: (error?: Error) => void): this {
    const listening = this.#listening;
    if (typeof callback === "function") {
      const notRunning = (): void => callback(codedError(new Error("Server is not running."), "ERR_SERVER_NOT_RUNNING"));
      this.once("close", listening?.listener === undefined ? notRunning : callback);
    }
    this.#listening = undefined;
    if (listening === undefined) this.#closedIfDone();
    else {
      this.#leaving.add(listening);
      this.#leaveIfDone(listening);
    }
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
    if (this.#listening !== undefined) await new Promise((resolve) => this.close(resolve));
  }

  override [captureRejectionSymbol](error: Error, event: string, ...[socket]: unknown[]): void {
    if (event === "connection") (socket as KwikSocket).destroy(error);
    else this.emit("error", error);
  }

  #closeOnAbort(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const close = (): void => void this.close();
    if (signal.aborted) process.nextTick(close);
    else signal.addEventListener("abort", close, { once: true });
    this.once("close", () => signal.removeEventListener("abort", close));
  }

  #started(listening: Listening, listener: Listener): void {
    listening.listener = listener;
    if (this.#leaving.has(listening)) return this.#leaveIfDone(listening);
    this.#take(listening, listener).catch((error: unknown) => this.emit("error", error));
    // Out of the promise: what a listener throws is the program's, not a rejection.
    process.nextTick(() => {
      if (this.#listening === listening) this.emit("listening");
    });
  }

  async #take(listening: Listening, listener: Listener): Promise<void> {
    for await (const session of listener) {
      // A session's end is no failure of the server; its sockets have heard of it.
      this.#takeStreams(listening, session, listener).catch((error: unknown) => this.emit("error", error));
    }
  }

  async #takeStreams(listening: Listening, session: ServerSession, listener: Listener): Promise<void> {
    for await (const stream of session.incomingStreams()) this.#connect(listening, session, stream, listener);
  }

  #connect(listening: Listening, session: ServerSession, stream: Stream, listener: Listener): void {
    const local = (): AddressInfo | undefined => addressInfo(listener.address);
    const remote = (): AddressInfo | undefined => addressOf(session, "remoteAddress");
    if (this.#listening !== listening) {
      stream.reset(SocketCode.refused);
      stream.stopReading(SocketCode.refused);
      return;
    }
    if (this.#connections() >= (this.maxConnections ?? Infinity)) {
      stream.close().catch(() => undefined);
      stream.stopReading(SocketCode.closed);
      process.nextTick(() => this.emit("drop", dropOf(local(), remote())));
      return;
    }
    const { pauseOnConnect } = this.#options;
    const socket = this.#makeSocket(this.#options);
    listening.connections += 1;
    const release = (): void => {
      listening.connections -= 1;
    };
    socket.once("close", () => {
      if (this.#leaving.has(listening)) this.#leaveIfDone(listening);
    });
    socket.adopt({ stream, local, remote, release }, pauseOnConnect);
    process.nextTick(() => this.emit("connection", socket));
  }

  #connections(): number {
    let count = this.#listening?.connections ?? 0;
    for (const { connections } of this.#leaving) count += connections;
    return count;
  }

  #leaveIfDone(listening: Listening): void {
    // One that has not started yet is heard of when it has.
    if (listening.connections > 0 || listening.listener === undefined) return;
    listening.listener.close({ graceMs: CLOSE_GRACE_MS }).then(
      () => {
        if (this.#leaving.delete(listening)) this.#closedIfDone();
      },
      (error: unknown) => this.emit("error", error),
    );
  }

  #closedIfDone(): void {
    if (this.#listening === undefined && this.#leaving.size === 0) process.nextTick(() => this.emit("close"));
  }
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
