import {
  errorName,
  ErrorCode,
  type MemberId,
  StreamSignal,
  type Session as ProtocolSession,
  type SessionEvent,
  type SessionPath,
  type StreamDirection,
  type StreamEntry,
} from "@kwik/proto";
import type { DatagramOptions, ReceiveStream, SendStream, Session, Stream, StreamOptions, WaitOptions } from "../api/contract.ts";
import { PathError, SessionClosedError, StreamLimitError } from "../api/errors.ts";
import { checkCode, MAX_CLOSE_CODE } from "../api/application-code.ts";
import { byteProblem } from "../api/byte-argument.ts";
import { checkPriority } from "../api/priority.ts";
import type { CloseInfo, PathInfo, SessionEvent as PublicEvent, SessionStats, TransportChoice } from "../api/stats.ts";
import type { Runtime } from "../driver/runtime.ts";
import { SessionDriver, type SessionObserver } from "../driver/session-driver.ts";
import { AsyncQueue } from "./async-queue.ts";
import { EventReaders } from "./event-readers.ts";
import { closeInfoOf, type EndedEvent, endErrorOf } from "./session-end.ts";
import { DuplexStream, type ContentOfferer } from "./duplex-stream.ts";
import { publicPath, withLink } from "./path-info.ts";
import { ReceiveHalf } from "./receive-half.ts";
import { SendHalf } from "./send-half.ts";
import { SendBudget, type SendPool } from "./send-budget.ts";
import { sessionIdText } from "./session-id.ts";
import { SlabPool } from "./slab-pool.ts";
import { StreamOpenings } from "./stream-openings.ts";
import { trafficOf } from "./traffic.ts";

/** The reason of a close travels up to this length; the rest is cut off. */
const MAX_REASON_LENGTH = 512;

/** Both halves of a stream as its owner; put into `StreamEntry.owner`. */
interface OwnedStream {
  readonly send: SendHalf | undefined;
  readonly receive: ReceiveHalf | undefined;
  /** Both under one name, where there are both. */
  readonly stream: Stream | undefined;
}

/** A stream of the other side that the application has not accepted yet. */
interface Incoming<S> {
  readonly entry: StreamEntry;
  readonly value: S;
}

/** What a client's and a server's session have in common: streams, datagrams, events, statistics, the end. */
export abstract class BaseSession implements Session {
  readonly closed: Promise<CloseInfo>;
  protected readonly proto: ProtocolSession;
  protected readonly driver: SessionDriver;
  protected readonly runtime: Runtime;
  readonly #incoming = { bidirectional: new AsyncQueue<Incoming<Stream>>(), unidirectional: new AsyncQueue<Incoming<ReceiveStream>>() };
  readonly #datagrams = new AsyncQueue<Uint8Array>();
  readonly #eventReaders = new EventReaders();
  readonly #slabs = new WeakMap<StreamEntry["peer"], SlabPool>();
  /** What all that is written here counts on. */
  protected readonly sendBudget: SendBudget;
  readonly #openings = new StreamOpenings();
  #resolveClosed!: (info: CloseInfo) => void;
  #closeInfo: CloseInfo | undefined;
  #closing: Promise<void> | undefined;
  #endError: SessionClosedError | undefined;
  #suspensions = 0;
  readonly #sourceFaults: Record<string, number> = {};

  /** `sendPool` is what it shares with other sessions. */
  constructor(proto: ProtocolSession, runtime: Runtime, sendPool?: SendPool) {
    this.sendBudget = new SendBudget(proto.state.limits.maxSessionSendBufferBytes, sendPool);
    this.proto = proto;
    this.runtime = runtime;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const observer: SessionObserver = {
      onEvent: (event) => this.#event(event),
      onIncoming: (entry) => this.onIncoming(entry),
      onStream: (entry) => this.#update(entry),
      onContributionsChanged: () => this.onContributionsChanged(),
      onDatagram: (data) => this.#datagram(data),
    };
    this.driver = new SessionDriver(proto, runtime, observer);
  }

  get id(): string {
    return sessionIdText(this.proto.state.id);
  }

  openStream(options: StreamOptions = {}): Stream {
    return this.#open("bidirectional", options).stream as Stream;
  }

  async openStreamSync(options: StreamOptions & WaitOptions = {}): Promise<Stream> {
    return (await this.#openWaiting("bidirectional", options)).stream as Stream;
  }

  async acceptStream(options: WaitOptions = {}): Promise<Stream> {
    const { entry, value } = await this.#incoming.bidirectional.next(options.signal);
    this.#taken(entry);
    return value;
  }

  openUniStream(options: StreamOptions = {}): SendStream {
    return this.#open("unidirectional", options).send as SendStream;
  }

  async openUniStreamSync(options: StreamOptions & WaitOptions = {}): Promise<SendStream> {
    return (await this.#openWaiting("unidirectional", options)).send as SendStream;
  }

  async acceptUniStream(options: WaitOptions = {}): Promise<ReceiveStream> {
    const { entry, value } = await this.#incoming.unidirectional.next(options.signal);
    this.#taken(entry);
    return value;
  }

  async *incomingStreams(): AsyncIterable<Stream> {
    for (;;) {
      let stream: Stream;
      try {
        stream = await this.acceptStream();
      } catch (error) {
        if (error instanceof SessionClosedError) return;
        throw error;
      }
      yield stream;
    }
  }

  sendDatagram(data: Uint8Array, options: DatagramOptions = {}): boolean {
    const problem = byteProblem(data, "sendDatagram");
    if (problem !== undefined) throw problem;
    for (const binding of this.driver.links()) this.proto.setLinkDatagramBytes(binding.pathId, binding.link.maxDatagramBytes);
    const sent = this.proto.sendDatagram(this.runtime.now(), data, options.over);
    if (sent) this.driver.schedule();
    return sent;
  }

  get maxDatagramBytes(): number {
    return this.proto.state.limits.maxDatagramBytes;
  }

  receiveDatagram(options: WaitOptions = {}): Promise<Uint8Array> {
    return this.#datagrams.next(options.signal);
  }

  stats(): SessionStats {
    const now = this.runtime.now();
    return {
      ...trafficOf(this.proto),
      isSuspended: this.proto.lifecycle.isSuspended && this.#endError === undefined,
      suspensions: this.#suspensions,
      sourceFaults: { ...this.#sourceFaults },
      paths: this.proto.state.paths.all().map((path) => this.pathRow(path, now)),
    };
  }

  events(): AsyncIterable<PublicEvent> {
    return this.#eventReaders.begin(this.#endError);
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeCleanly();
    return this.#closing;
  }

  async closeWithError(code: number, reason: string): Promise<void> {
    this.proto.close(this.runtime.now(), checkCode(code, MAX_CLOSE_CODE), reason.slice(0, MAX_REASON_LENGTH), true);
    this.driver.pump();
    await this.closed;
  }

  /** For a listener that shuts down. */
  async closeWithGoingAway(): Promise<void> {
    this.proto.depart(this.runtime.now(), "the server is shutting down");
    this.driver.pump();
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What the role makes of an event that is not common to both. */
  protected abstract onRoleEvent(event: SessionEvent): void;
  protected onContributionsChanged(): void {}
  protected onEnded(): void {}
  /** A stream of the other side has come; by default the application gets it. */
  protected onIncoming(entry: StreamEntry): void {
    this.deliver(entry);
  }
  protected get contentOfferer(): ContentOfferer | undefined {
    return undefined;
  }
  /** Why a path did not come to be, for the application. */
  protected failureOf({ code, reason }: Extract<SessionEvent, { type: "path-failed" }>): { code: string; reason: string } {
    return { code: errorName(code), reason };
  }
  protected pathInfo(path: SessionPath, now: number, choice?: TransportChoice): PathInfo {
    return publicPath(path, now, this.driver.linkOf(path.id), choice);
  }
  /** With what its transport says. */
  protected pathRow(path: SessionPath, now: number): PathInfo {
    return withLink(this.pathInfo(path, now), this.driver.linkOf(path.id));
  }
  /** A path by its number, as far as it is known here. */
  protected pathOf(id: number): PathInfo | undefined {
    const path = this.proto.state.paths.byId(id);
    return path === undefined ? undefined : this.pathInfo(path, this.runtime.now());
  }
  /** The member at which a stream that is opened here has its other end; undefined while the session has no server. */
  protected abstract memberFor(options: StreamOptions): MemberId | undefined;

  protected publish(event: PublicEvent): void {
    this.#eventReaders.publish(event);
  }

  protected get endError(): SessionClosedError | undefined {
    return this.#endError;
  }

  async #closeCleanly(): Promise<void> {
    if (this.#closeInfo === undefined) {
      const flushed: Promise<unknown>[] = [];
      for (const entry of this.proto.state.streams.values()) {
        const { sender, owner } = entry;
        const send = (owner as OwnedStream | undefined)?.send;
        if (send !== undefined && sender?.stream.state === "finishing") flushed.push(send.close().catch(() => undefined));
      }
      await Promise.race([Promise.all(flushed), this.closed]);
      this.proto.close(this.runtime.now(), ErrorCode.NO_ERROR, "", false);
      this.driver.pump();
    }
    await this.closed;
    // The other side knows by then, or was given its moment.
    await this.driver.unlinked();
  }

  /** Its owner is there before anything can happen to the stream: nobody is told of it a second time. */
  #open(direction: StreamDirection, options: StreamOptions): OwnedStream {
    if (this.#endError !== undefined) throw this.#endError;
    if (options.priority !== undefined) checkPriority(options.priority);
    const member = this.memberFor(options);
    if (member === undefined) throw new PathError("NO_PATHS", "every server is lost; openStreamSync waits for another", "");
    const entry = this.proto.openStream(member, direction, options.priority, options.contributions);
    if (entry === undefined) throw new StreamLimitError(this.proto.state.peerOf(member).outgoing[direction].limit);
    this.driver.schedule();
    return this.#own(entry);
  }

  async #openWaiting(direction: StreamDirection, options: StreamOptions & WaitOptions): Promise<OwnedStream> {
    for (;;) {
      try {
        return this.#open(direction, options);
      } catch (error) {
        if (!(error instanceof StreamLimitError) && !(error instanceof PathError && error.code === "NO_PATHS")) throw error;
      }
      await this.#openings.next(options.signal);
    }
  }

  #own(entry: StreamEntry): OwnedStream {
    const send =
      entry.sender === undefined ? undefined : new SendHalf(entry, entry.sender, this.driver, this.#slabsOf(entry.peer), this.sendBudget);
    const receive = entry.receive === undefined ? undefined : new ReceiveHalf(entry, this.driver);
    const stream = send !== undefined && receive !== undefined ? new DuplexStream(entry, send, receive, this.contentOfferer) : undefined;
    const owned = { send, receive, stream };
    entry.owner = owned;
    return owned;
  }

  #slabsOf(peer: StreamEntry["peer"]): SlabPool {
    let slabs = this.#slabs.get(peer);
    if (slabs === undefined) {
      slabs = new SlabPool((pool) => this.driver.rest(pool));
      this.#slabs.set(peer, slabs);
    }
    return slabs;
  }

  /** Gives a stream of the other side to the application. */
  protected deliver(entry: StreamEntry): void {
    const { stream, receive, send } = this.#own(entry);
    // What has happened to it before nobody was told.
    receive?.update();
    send?.update();
    if (stream !== undefined) this.#incoming.bidirectional.push({ entry, value: stream });
    else if (receive !== undefined) this.#incoming.unidirectional.push({ entry, value: receive });
  }

  /** Ends a stream of the other side that the application never gets. */
  protected turnAway(entry: StreamEntry, code: number): void {
    this.proto.reset(entry, code);
    this.proto.stopReading(entry, code);
    this.#taken(entry);
  }

  /** Only now may the other side open another in its place, if it is over already. */
  #taken(entry: StreamEntry): void {
    this.proto.takeStream(entry);
    this.driver.schedule();
  }

  #update(entry: StreamEntry): void {
    const { signals } = entry;
    entry.signals = 0;
    const owned = entry.owner as OwnedStream | undefined;
    if (owned === undefined) return;
    if (this.#endError !== undefined) {
      owned.receive?.update();
      owned.send?.update();
      owned.send?.fail(this.#endError);
      owned.receive?.fail(this.#endError);
      return;
    }
    if ((signals & (StreamSignal.readable | StreamSignal.ended)) !== 0) owned.receive?.update();
    if ((signals & ~StreamSignal.readable) !== 0) owned.send?.update();
  }

  #datagram(data: Uint8Array): void {
    if (this.#datagrams.length >= this.proto.state.limits.maxDatagramQueue) this.#datagrams.poll();
    this.#datagrams.push(data);
  }

  #event(event: SessionEvent): void {
    switch (event.type) {
      case "streams-allowed":
      case "member-lost":
      case "primary-changed":
        // Those who wait for a server that is gone hear of it when they try again.
        this.#openings.wake();
        break;
      case "path-added":
      case "path-active":
        this.publish({ type: event.type, path: this.pathInfo(event.path, this.runtime.now()), reason: event.path.stateReason });
        break;
      case "path-degraded":
      case "path-recovered":
      case "path-dead":
      case "path-closed":
        this.publish({ type: event.type, path: this.pathInfo(event.path, this.runtime.now()), reason: event.reason });
        break;
      case "path-failed":
        this.publish({ type: "path-failed", address: event.path.address, ...this.failureOf(event) });
        break;
      case "suspended":
      case "resumed":
        if (event.type === "suspended") this.#suspensions += 1;
        this.publish({ type: event.type, reason: event.reason });
        break;
      case "source-isolated":
      case "source-slow": {
        const code = errorName(event.code);
        const path = this.pathOf(event.pathId);
        this.#sourceFaults[code] = (this.#sourceFaults[code] ?? 0) + 1;
        const fault = { path, contentId: event.contentId, code, reason: event.reason, version: event.version };
        this.publish(event.type === "source-slow" ? { type: "source-slow", ...fault } : { type: "source-isolated", ...fault });
        break;
      }
      case "ended":
        this.#end(event);
        break;
      default:
    }
    this.onRoleEvent(event);
  }

  #end(event: EndedEvent): void {
    this.#closeInfo = closeInfoOf(event);
    this.#endError = endErrorOf(event);
    this.#incoming.bidirectional.end(this.#endError);
    this.#incoming.unidirectional.end(this.#endError);
    this.#datagrams.end(this.#endError);
    this.#eventReaders.end(this.#endError);
    this.#openings.wake();
    this.sendBudget.end();
    this.onEnded();
    this.#resolveClosed(this.#closeInfo);
  }
}
