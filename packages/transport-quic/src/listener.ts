import { ErrorCode, formatAddress, KwikError, parseAddress, webRules } from "@kwik/core";
import type { ListenRequest, TransportListener } from "@kwik/core";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { describe } from "./connect.ts";
import { EventType, quicBinding } from "./engine/binding.ts";
import type { NativeEvent, NativeServer } from "./engine/binding.ts";
import { releaseBatch } from "./engine/batch-release.ts";
import { connectionCensus } from "./engine/connection-census.ts";
import { COMMON_OPTIONS } from "./engine/options.ts";
import { withPrivateTmpdir } from "./engine/private-tmpdir.ts";
import { ServerConnection } from "./engine/server-connection.ts";
import { isOwnAddress, largestUdpPayload, refusedPacketsNotice, wideMtuNotice } from "./path-mtu.ts";
import { QuicLink } from "./quic-link.ts";
import { resolveHost } from "@kwik/resolve";
import { bindProblem, shownIdentity } from "@kwik/tls";
import { ServerLink } from "./server-link.ts";
import type { ServerLinkOptions } from "./server-link.ts";
import { queryAnswer } from "./certificate-query.ts";
import { WriteTurns } from "./write-turns.ts";

/** Parts of the transport's options that a listener uses. */
export interface QuicListenOptions {
  /** Whether clients prove their address before the server keeps state for them (one more round trip). Default: unless bound to loopback. */
  readonly retry?: boolean;
  /** Connections at once. Default 2000: every turn of the engine visits all of them. */
  readonly maxConnections?: number;
  /** Binds all addresses although one was asked for. Right on hosts with one address; see docs/decisions/0003-quic-engine.md. Default false. */
  readonly bindAny?: boolean;
  /** Authorities (PEM) of client certificates. With them, clients are asked for one; without, none is looked at. */
  readonly clientCa?: string;
}

const DEFAULT_MAX_CONNECTIONS = 2_000;

/** How long after its handshake a connection's packet size is looked at, in milliseconds. */
const MTU_CHECK_MS = 1_000;

/** How long the engine's thread may take to stop, in milliseconds. */
const STOP_TIMEOUT_MS = 5_000;

/** So many refused origins are told of, each once: pages could invent others without end. */
const MAX_TOLD_ORIGINS = 16;

/** How a peer ends a connection whose packets break QUIC's rules, or its own. RFC 9000 section 20.1 */
const PROTOCOL_VIOLATION = 0x0a;

/** A bound server: one native object, its links found by the engine's handles. */
export class QuicListener implements TransportListener {
  readonly address: string;
  readonly #request: ListenRequest;
  readonly #native: NativeServer;
  readonly #turns = new WriteTurns();
  readonly #remotes = new Map<number, string>();
  readonly #links = new Map<number, ServerLink>();
  /** Links that had an event in this batch. */
  #touched: ServerLink[] = [];
  readonly #linkOptions: ServerLinkOptions;
  #hasWarnedOfMtu = false;
  /** Origins of which was told that their pages may not connect. */
  readonly #refusedOrigins = new Set<string>();
  #onStopped: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(request: ListenRequest, host: string, options: QuicListenOptions) {
    this.#request = request;
    this.#linkOptions = {
      answer: queryAnswer(request.tls.cert),
      web: request.web && webRules(request.web),
      onLink: (link) => request.onLink(link),
      onRefusedOrigin: (origin) => this.#onRefusedOrigin(origin),
    };
    const bindHost = options.bindAny === true ? anyAddress(host) : host;
    const made = withPrivateTmpdir(() => {
      const native = new (quicBinding().NativeQuicServer)(
        {
          ...COMMON_OPTIONS,
          alpn: request.web === undefined ? COMMON_OPTIONS.alpn : [...COMMON_OPTIONS.alpn, "h3"],
          cert: Buffer.from(request.tls.cert),
          key: Buffer.from(request.tls.key),
          ca: options.clientCa === undefined ? undefined : Buffer.from(options.clientCa),
          clientAuth: options.clientCa === undefined ? "none" : "request",
          maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
          disableRetry: !(request.validateAddresses ?? options.retry ?? !isLoopback(bindHost)),
        },
        (_error, events) => this.#onBatch(events),
      );
      try {
        return { native, bound: native.listen(request.address.port, bindHost) };
      } catch (error) {
        // What was made and never listened would keep the process running.
        native.joinWorker();
        throw error;
      }
    });
    this.#native = made.native;
    this.address = formatAddress({ host: made.bound.address, port: made.bound.port });
  }

  /** Binds. Rejects with IO (port in use, address not here), INVALID_ARGUMENT (certificate or key), NOT_SUPPORTED. */
  static async listen(request: ListenRequest, options: QuicListenOptions): Promise<QuicListener> {
    const [host] = await resolveHost(request.address.host);
    connectionCensus.addListener();
    try {
      return new QuicListener(request, host as string, options);
    } catch (error) {
      connectionCensus.removeListener();
      if (error instanceof KwikError) throw error;
      const message = describe(error);
      if (/tls/i.test(message)) {
        throw new KwikError(
          "INVALID_ARGUMENT",
          `the certificate and key cannot be used; they must be PEM and belong together (${message})`,
          {
            cause: error,
          },
        );
      }
      throw new KwikError("IO", `cannot listen on ${formatAddress(request.address)}: ${bindProblem({ message })}`, { cause: error });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await Promise.all(Array.from(this.#links.values(), (peer) => peer.close(ErrorCode.GOING_AWAY, "the server has shut down")));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
      this.#onStopped = () => {
        clearTimeout(timer);
        // Not from inside the engine's callback.
        setImmediate(resolve);
      };
      this.#native.requestShutdown();
    });
    this.#native.joinWorker();
    this.#links.clear();
    connectionCensus.removeListener();
  }

  #onBatch(events: readonly NativeEvent[] | null): void {
    if (events === null) return;
    try {
      for (const event of events) this.#onEvent(event);
    } finally {
      this.#endBatch();
      releaseBatch(this.#native, events.length);
    }
  }

  #endBatch(): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const peer of touched) {
      peer.isTouched = false;
      this.#guard(peer, () => peer.endBatch());
    }
  }

  #onEvent(event: NativeEvent): void {
    switch (event.eventType) {
      case EventType.session:
        this.#onSession(event);
        return;
      case EventType.handshake:
        this.#accept(event);
        return;
      case EventType.writeReady:
        // Meant for all: the budget is the server's, and 0 is a handle like any other.
        this.#turns.run();
        return;
      case EventType.shutdown:
        this.#onStopped?.();
        return;
      case EventType.close:
        this.#checkRefusal(event);
        this.#forward(event);
        this.#forget(event.connHandle);
        return;
      default:
        this.#forward(event);
    }
  }

  #forward(event: NativeEvent): void {
    const peer = this.#links.get(event.connHandle);
    if (peer === undefined) return;
    if (!peer.isTouched) {
      peer.isTouched = true;
      this.#touched.push(peer);
    }
    try {
      peer.handle(event);
    } catch (error) {
      this.#onFailure(peer, error);
    }
  }

  #guard(peer: ServerLink, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onFailure(peer, error);
    }
  }

  #onFailure(peer: ServerLink, error: unknown): void {
    this.#notice(`the receiver of a link from ${peer.link.properties.remoteAddress} failed: ${describe(error)}`);
    peer.fail("the receiver failed");
  }

  #onSession(event: NativeEvent): void {
    const handle = event.connHandle;
    this.#forget(handle); // whoever had it before is gone
    this.#remotes.set(handle, remoteOf(event));
    connectionCensus.onConnection();
  }

  #accept(event: NativeEvent): void {
    const handle = event.connHandle;
    const remote = this.#remotes.get(handle);
    if (remote === undefined || this.#closing !== undefined) return;
    this.#remotes.delete(handle);
    const connection = new ServerConnection(this.#native, handle);
    const certificate = event.meta?.peerCertificateChain?.[0];
    const link = new QuicLink(connection, this.#turns, false, {
      transport: "quic",
      remoteAddress: remote,
      localAddress: this.address,
      provenIdentity: undefined,
      clientIdentity: certificate === undefined ? undefined : shownIdentity(new X509Certificate(certificate)),
    });
    this.#links.set(handle, new ServerLink(link, connection, this.#linkOptions));
    if (!this.#hasWarnedOfMtu && !isOwnAddress(remote.replace(/:\d+$/, "").replace(/[[\]]/g, ""))) this.#checkMtuLater(link);
  }

  #forget(handle: number): void {
    const peer = this.#links.get(handle);
    if (peer === undefined) return;
    this.#links.delete(handle);
    peer.stop();
    peer.connection.markGone();
  }

  #checkMtuLater(link: QuicLink): void {
    setTimeout(() => {
      if (link.isClosed || this.#hasWarnedOfMtu) return;
      const payload = link.stats().maxPayloadBytes ?? 0;
      if (payload <= largestUdpPayload()) return;
      this.#hasWarnedOfMtu = true;
      this.#notice(wideMtuNotice(parseAddress(this.address).host, payload));
    }, MTU_CHECK_MS).unref();
  }

  /** Browsers end a connection at the first packet that is larger than Ethernet's; kwik's own clients take those. docs/webtransport.md */
  #checkRefusal(event: NativeEvent): void {
    if (event.meta?.errorCode !== PROTOCOL_VIOLATION || this.#links.get(event.connHandle)?.isHttp3 !== true) return;
    const { host } = parseAddress(this.address);
    if (this.#hasWarnedOfMtu || isWildcard(host)) return;
    this.#hasWarnedOfMtu = true;
    this.#notice(refusedPacketsNotice(host));
  }

  #onRefusedOrigin(origin: string): void {
    if (this.#refusedOrigins.has(origin) || this.#refusedOrigins.size >= MAX_TOLD_ORIGINS) return;
    this.#refusedOrigins.add(origin);
    this.#notice(`refused a page of ${origin.slice(0, 200)}: pages of this origin may not connect (allowOrigin)`);
  }

  #notice(message: string): void {
    this.#request.onNotice?.(message);
  }
}

function remoteOf(event: NativeEvent): string {
  return formatAddress({ host: event.meta?.remoteAddr ?? "", port: event.meta?.remotePort ?? 0 });
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1";
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function anyAddress(host: string): string {
  if (isLoopback(host)) return host;
  return isIP(host) === 6 ? "::" : "0.0.0.0";
}
