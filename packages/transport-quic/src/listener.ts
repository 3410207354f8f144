import { ErrorCode, formatAddress, KwikError, type ListenRequest, parseAddress, type TransportListener, webRules } from "@kwik/core";
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { describe } from "./connect.ts";
import { EventType, quicBinding } from "./engine/binding.ts";
import type { NativeAddress, NativeEvent, NativeServer } from "./engine/binding.ts";
import { releaseBatch } from "./engine/batch-release.ts";
import { connectionCensus } from "./engine/connection-census.ts";
import { COMMON_OPTIONS } from "./engine/options.ts";
import { withPrivateTmpdir } from "./engine/private-tmpdir.ts";
import { ServerConnection } from "./engine/server-connection.ts";
import { isOwnAddress, largestUdpPayload, refusedPacketsNotice, wideMtuNotice } from "./path-mtu.ts";
import { QuicLink } from "./quic-link.ts";
import { resolveHost } from "@kwik/resolve";
import { bindProblem, DEFAULT_MAX_CONNECTIONS, RefusalNotices, serverOptions, shownIdentity } from "@kwik/tls";
import { ServerLink } from "./server-link.ts";
import type { ServerLinkOptions } from "./server-link.ts";
import { queryAnswer } from "./certificate-query.ts";
import { UndecidedLinks } from "./undecided-links.ts";
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

/** How long the port may stay taken after it was given back, in milliseconds, when a listener binds it again. */
const REBIND_TIMEOUT_MS = 5_000;
const REBIND_PAUSE_MS = 20;

/** How long after its handshake a connection's packet size is looked at, in milliseconds. */
const MTU_CHECK_MS = 1_000;

/** The engine's numbers have 32 bits. */
const MAX_ENGINE_COUNT = 0xffff_ffff;

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
  readonly #options: QuicListenOptions;
  readonly #bindHost: string;
  #native: NativeServer;
  readonly #turns = new WriteTurns();
  readonly #remotes = new Map<number, string>();
  readonly #links = new Map<number, ServerLink>();
  /** Links that had an event in this batch. */
  #touched: ServerLink[] = [];
  #linkOptions: ServerLinkOptions;
  /** Connections that have not said what they want, oldest first: those in their handshake by their handles, and links. */
  readonly #undecided: UndecidedLinks;
  readonly #refusals: RefusalNotices;
  #hasWarnedOfMtu = false;
  /** Origins of which was told that their pages may not connect. */
  readonly #refusedOrigins = new Set<string>();
  #onStopped: (() => void) | undefined;
  #isStopped = false;
  #closing: Promise<void> | undefined;

  private constructor(request: ListenRequest, host: string, options: QuicListenOptions) {
    this.#request = request;
    this.#options = options;
    this.#bindHost = options.bindAny === true ? anyAddress(host) : host;
    this.#refusals = new RefusalNotices(request);
    this.#undecided = new UndecidedLinks(request.limits?.maxHandshakes, (remote, why) => this.#refusals.add(remote, why, "connections"));
    this.#linkOptions = this.#linkOptionsFor(request.tls.cert);
    const made = this.#makeServer(request.tls, request.address.port);
    this.#native = made.native;
    this.address = formatAddress({ host: made.bound.address, port: made.bound.port });
  }

  /** One bound native server. Throws what the engine throws. */
  #makeServer(tls: ListenRequest["tls"], port: number): { readonly native: NativeServer; readonly bound: NativeAddress } {
    const request = this.#request;
    const options = this.#options;
    const clientCa = request.clientCa ?? options.clientCa;
    const maxConnections = options.maxConnections ?? request.limits?.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    return withPrivateTmpdir(() => {
      const native: NativeServer = new (quicBinding().NativeQuicServer)(
        {
          ...COMMON_OPTIONS,
          alpn: request.web === undefined ? COMMON_OPTIONS.alpn : [...COMMON_OPTIONS.alpn, "h3"],
          cert: Buffer.from(tls.cert),
          key: Buffer.from(tls.key),
          ca: clientCa === undefined ? undefined : Buffer.from(clientCa),
          clientAuth: clientCa === undefined ? "none" : "request",
          // The engine counts up to 32 bits, and Infinity is "without a bound".
          maxConnections: Math.min(maxConnections, MAX_ENGINE_COUNT),
          disableRetry: !(request.validateAddresses ?? options.retry ?? !isLoopback(this.#bindHost)),
        },
        (_error, events) => this.#onBatch(native, events),
      );
      try {
        return { native, bound: native.listen(port, this.#bindHost) };
      } catch (error) {
        // What was made and never listened would keep the process running.
        native.joinWorker();
        throw error;
      }
    });
  }

  #linkOptionsFor(cert: string): ServerLinkOptions {
    const { web } = this.#request;
    return {
      answer: queryAnswer(cert),
      web: web && webRules(web),
      onLink: (link) => this.#request.onLink(link),
      onDecided: (peer) => this.#undecided.delete(peer),
      onRefused: (peer, why, reason) => this.#refusals.add(peer.link.properties.remoteAddress, why, reason),
      onRefusedOrigin: (origin) => this.#onRefusedOrigin(origin),
    };
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

  /**
   * The engine reads its certificate once: its connections are closed and the port is bound anew, which takes some milliseconds. Clients of kwik dial again at
   * once, and their sessions go on. Rejects with INVALID_ARGUMENT before anything happened, with IO if the port could not be bound again: then nothing
   * is served over QUIC any more.
   */
  async updateTls(tls: ListenRequest["tls"]): Promise<void> {
    if (this.#closing !== undefined) return;
    // The engine would find out when the old one is gone.
    serverOptions(tls, undefined);
    await this.#stopServer(ErrorCode.LINK_LOST, "the server has a new certificate");
    const { port } = parseAddress(this.address);
    const deadline = performance.now() + REBIND_TIMEOUT_MS;
    for (;;) {
      // It was closed meanwhile: what would be made now nobody would close.
      if (this.#isClosing()) return;
      try {
        this.#native = this.#makeServer(tls, port).native;
        this.#linkOptions = this.#linkOptionsFor(tls.cert);
        this.#isStopped = false;
        return;
      } catch (error) {
        if (performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, REBIND_PAUSE_MS));
        else
          throw new KwikError("IO", `cannot listen on ${this.address} again: ${bindProblem({ message: describe(error) })}`, {
            cause: error,
          });
      }
    }
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    await this.#stopServer(ErrorCode.GOING_AWAY, "the server has shut down");
    connectionCensus.removeListener();
  }

  /** Ends all connections and the engine's thread. */
  async #stopServer(code: ErrorCode, reason: string): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await Promise.all(Array.from(this.#links.values(), (peer) => peer.close(code, reason)));
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
    for (const handle of [...this.#links.keys()]) this.#forget(handle);
    this.#remotes.clear();
    this.#undecided.clear();
  }

  #onBatch(native: NativeServer, events: readonly NativeEvent[] | null): void {
    if (events === null) return;
    try {
      // What a server that was replaced still has to say concerns nobody.
      if (native === this.#native) for (const event of events) this.#onEvent(event);
    } finally {
      this.#endBatch();
      releaseBatch(native, events.length);
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
    const remote = remoteOf(event);
    this.#remotes.set(handle, remote);
    connectionCensus.onConnection();
    this.#undecided.addHandshake(handle, remote, () => this.#dropHandshake(handle));
  }

  /** One that does not finish its handshake makes room for others. */
  #dropHandshake(handle: number): void {
    this.#remotes.delete(handle);
    try {
      // Its number may be another's by now, unheard: which then is in its handshake as well, or is left alone.
      if (this.#native.getSessionMetrics(handle).handshakeTimeMs === 0) this.#native.closeSession(handle, ErrorCode.LIMIT_REACHED, "");
    } catch {
      // gone already
    }
  }

  #accept(event: NativeEvent): void {
    const handle = event.connHandle;
    const remote = this.#remotes.get(handle);
    if (remote === undefined || this.#closing !== undefined) return;
    this.#remotes.delete(handle);
    this.#undecided.deleteHandshake(handle);
    // The engine tells of a connection when the dear part of its handshake is over; only now it can be told why.
    const refusal = this.#request.onConnection?.(remote);
    if (refusal !== undefined) return this.#refuse(handle, refusal.code, refusal.text);
    const connection = new ServerConnection(this.#native, handle);
    const certificate = event.meta?.peerCertificateChain?.[0];
    const link = new QuicLink(connection, this.#turns, false, {
      transport: "quic",
      remoteAddress: remote,
      localAddress: this.address,
      provenIdentity: undefined,
      clientIdentity: certificate === undefined ? undefined : shownIdentity(new X509Certificate(certificate)),
    });
    const peer = new ServerLink(link, connection, this.#linkOptions);
    this.#links.set(handle, peer);
    this.#undecided.add(peer);
    if (!this.#hasWarnedOfMtu && !isOwnAddress(remote.replace(/:\d+$/, "").replace(/[[\]]/g, ""))) this.#checkMtuLater(link);
  }

  /** By number alone, since to ask the engine whose it is holds up those that are served: whoever has it by now, unheard of, dials again. */
  #refuse(handle: number, code: number, text: string): void {
    try {
      this.#native.closeSession(handle, code, text);
    } catch {
      // gone already
    }
  }

  #forget(handle: number): void {
    this.#remotes.delete(handle);
    this.#undecided.deleteHandshake(handle);
    const peer = this.#links.get(handle);
    if (peer === undefined) return;
    this.#links.delete(handle);
    this.#undecided.delete(peer);
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
    this.#request.onRefused?.("", "origin");
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
