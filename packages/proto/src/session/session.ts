import type { Arrival } from "../data/arrival.ts";
import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, knownCode, type ProtocolFailure } from "../base/error-codes.ts";
import { CLIENT_MEMBER, homeOf, type CarrierId, type MemberId, type PathId, type StreamDirection } from "../base/ids.ts";
import { earlier, type Instant } from "../base/time.ts";
import { CLIENT_MESSAGES } from "../control/client-messages.ts";
import { body } from "../control/control-body.ts";
import type { ControlMessages } from "../control/control-messages.ts";
import type { AckFrame } from "../wire/frame.ts";
import { decodeLinkDatagram } from "../wire/link-datagram.ts";
import { ClientPaths } from "./client-paths.ts";
import { Closing } from "./closing.ts";
import { ContentClient } from "./content-client.ts";
import { ContributionGrants } from "./contribution-grants.ts";
import type { ControlTargets } from "./control-dispatch.ts";
import { ControlReader } from "./control-reader.ts";
import { type DatagramWay, sendDatagram } from "./outgoing-datagram.ts";
import { Departures } from "./departures.ts";
import { PacketWriter } from "./packet-writer.ts";
import { PathLifecycle } from "./path-lifecycle.ts";
import { PathOpening } from "./path-opening.ts";
import type { FrameTargets } from "./path-sink.ts";
import type { PathWire } from "./path-wire.ts";
import type { Peer } from "./peer.ts";
import { RawForwarding } from "./raw-forwarding.ts";
import { ReceiveCredit } from "./receive-credit.ts";
import { PriorityFrame } from "./single-frames.ts";
import type { PathAcceptanceParts } from "./path-acceptance.ts";
import type { ServerSide } from "./server-side.ts";
import type { SessionEvent } from "./session-event.ts";
import { SessionState, type SessionConfig } from "./session-state.ts";
import type { StreamEntry } from "./stream-entry.ts";
import { Succession } from "./succession.ts";
import type { Transmit } from "./transmit.ts";

/** How a server's session begins. */
export interface ServerBeginning {
  /** 16 bytes. */
  readonly sessionId: Uint8Array;
  /** What it has beyond a client's: `ServerSide`, named here by whoever listens. */
  readonly side: { readonly messages: ControlMessages; new (state: SessionState, parts: PathAcceptanceParts): ServerSide };
}

/**
 * One side of a session: composition and order. Facts live in its parts. Told the time on every call; after any input, poll
 * `pollTransmit`, then `pollTimeout`, then `pollEvent`, `pollChangedStream` and `pollIncomingStream`, until each answers undefined.
 */
export class Session implements FrameTargets, ControlTargets {
  readonly state: SessionState;
  readonly content: ContentClient;
  readonly credit: ReceiveCredit;
  readonly grants: ContributionGrants;
  readonly raw: RawForwarding;
  readonly lifecycle: PathLifecycle;
  readonly closing: Closing;
  readonly clientPaths: ClientPaths | undefined;
  /** Present on a server. */
  readonly server: ServerSide | undefined;
  readonly departures: Departures | undefined;
  readonly opening: PathOpening;
  readonly #control: ControlReader;
  readonly #writer: PacketWriter;

  /** With `beginning` a server's, else a client's. */
  constructor(config: SessionConfig, now: Instant, beginning?: ServerBeginning) {
    const state = new SessionState(config, beginning?.side.messages ?? CLIENT_MESSAGES, now);
    this.state = state;
    if (beginning !== undefined) state.id = beginning.sessionId;
    this.content = new ContentClient(state);
    this.credit = new ReceiveCredit(state);
    this.grants = new ContributionGrants(state);
    state.streams.onRemoved = (entry) => this.grants.streamEnded(entry);
    this.raw = new RawForwarding(state);
    this.closing = new Closing(state, (peer, reason) => {
      this.lifecycle.loseMember(peer, reason);
    });
    this.clientPaths = state.isClient ? new ClientPaths(state) : undefined;
    const succession = this.clientPaths === undefined ? undefined : new Succession(state, this.clientPaths);
    this.lifecycle = new PathLifecycle(state, {
      content: this.content,
      grants: this.grants,
      raw: this.raw,
      clientPaths: this.clientPaths,
      succession,
      end: (code, reason, isRemote, isApplication) => this.closing.end(code, reason, isRemote, isApplication),
    });
    if (this.clientPaths !== undefined && succession !== undefined) {
      const loseMember = (peer: Peer, reason: string): void => this.lifecycle.loseMember(peer, reason);
      this.departures = new Departures(state, {
        clientPaths: this.clientPaths,
        content: this.content,
        raw: this.raw,
        succession,
        loseMember,
      });
    }
    state.onSlept = (sleptMs, now) => this.lifecycle.slept(sleptMs, now);
    this.#control = new ControlReader(this);
    this.opening = new PathOpening(state, {
      lifecycle: this.lifecycle,
      clientPaths: this.clientPaths,
      targets: this,
    });
    this.server = beginning && new beginning.side(state, { lifecycle: this.lifecycle, control: this.#control, targets: this });
    this.#writer = new PacketWriter(state);
  }

  // Links -----------------------------------------------------------------------------------------------------------------

  handleDatagram(now: Instant, pathId: PathId, data: Uint8Array): void {
    this.state.now = now;
    const path = this.state.paths.byId(pathId);
    if (path?.isUsable !== true) return;
    path.heard(now, data.length);
    const datagram = decodeLinkDatagram(data);
    if (datagram === undefined || datagram.data.length > this.state.limits.maxDatagramBytes) return;
    if (this.state.peerOf(path.member).receivedDatagrams.accept(datagram.number))
      this.state.emit({ type: "datagram", data: datagram.data });
  }

  handleCarrierOpened(now: Instant, pathId: PathId, carrier: CarrierId | undefined): void {
    this.state.now = now;
    const wire = this.state.wires.get(pathId);
    if (carrier === undefined) wire?.carrierRefused(now);
    else wire?.carrierOpened(carrier);
  }

  /** The next bytes of a carrier. `arrival` is the memory that they lie in, if it can be given back; the caller holds it until this returns. */
  handleCarrierData(now: Instant, pathId: PathId, carrier: CarrierId, data: Uint8Array, arrival?: Arrival): void {
    this.state.now = now;
    const wire = this.state.wires.get(pathId);
    if (wire === undefined || wire.path.isFinal) return;
    wire.path.heard(now, data.length);
    // Until the path is accepted bytes are kept as they came.
    if (!wire.input.isAccepted) arrival?.leave();
    this.state.arrival = arrival;
    const refused = wire.input.handleData(carrier, data);
    this.state.arrival = undefined;
    const problem = refused ?? this.#control.read(wire);
    if (problem !== undefined) this.#fail(wire, problem);
  }

  handleCarrierClosed(now: Instant, pathId: PathId, carrier: CarrierId): void {
    this.state.now = now;
    const wire = this.state.wires.get(pathId);
    if (wire === undefined || wire.path.isFinal) return;
    const mayHaveLost = wire.carrierClosed(carrier) && wire.path.inFlightBytes > 0;
    const problem = wire.input.carrierClosed(carrier);
    if (problem !== undefined) this.#fail(wire, problem);
    // Nobody knows what was under way on it; a new path sends all of it again. spec: ACK-3
    else if (mayHaveLost) this.#fail(wire, failure(ErrorCode.LINK_LOST, "a data carrier ended with packets under way"));
  }

  /** The link ended, or could not be made. */
  linkLost(now: Instant, pathId: PathId, closeCode: number, closeReason: string): void {
    this.state.now = now;
    // Both may be the other side's words.
    const code = knownCode(closeCode);
    const reason = clipText(closeReason, MAX_REASON_LENGTH);
    const path = this.state.paths.byId(pathId);
    if (path !== undefined) {
      if (code === ErrorCode.GOING_AWAY && this.state.isClient) this.lifecycle.departed(this.state.peerOf(path.member));
      this.lifecycle.die(path, code, reason);
    }
    this.state.wires.delete(pathId);
    if (this.state.wires.size === 0) this.closing.linksGone();
  }

  // Polling ---------------------------------------------------------------------------------------------------------------

  pollTransmit(now: Instant): Transmit | undefined {
    this.state.now = now;
    return this.#writer.poll(now);
  }

  /** When `handleTimeout` is wanted next. */
  pollTimeout(): Instant | undefined {
    if (this.closing.isDone) return undefined;
    let next = this.closing.nextTimeout();
    for (const path of this.state.paths.all()) if (!path.isFinal) next = earlier(next, path.ackDueAt);
    if (this.state.hasEnded) return next;
    this.#updateExpectations();
    next = earlier(next, this.departures?.nextTimeout());
    return earlier(earlier(next, this.lifecycle.nextTimeout()), this.content.nextTimeout());
  }

  handleTimeout(now: Instant): void {
    this.state.now = now;
    this.closing.handleTimeout(now);
    if (this.state.hasEnded) return;
    this.lifecycle.handleTimeout(now);
    this.departures?.handleTimeout(now);
    this.content.handleTimeout(now);
  }

  pollEvent(): SessionEvent | undefined {
    return this.state.pollEvent();
  }

  /** A stream with signals set; the caller reads and clears them. */
  pollChangedStream(): StreamEntry | undefined {
    return this.state.streams.pollChanged();
  }

  /**
   * A stream that the peer opened. `isTaken` false says that the application has not seen it yet: until `takeStream` it counts on the
   * peer's limit, even if it is over by then.
   */
  pollIncomingStream(isTaken = true): StreamEntry | undefined {
    const entry = this.state.streams.pollIncoming();
    if (entry === undefined) return undefined;
    this.grants.streamOpened(entry);
    if (isTaken) this.takeStream(entry);
    return entry;
  }

  /** The application has got a stream of the peer. */
  takeStream(entry: StreamEntry): void {
    this.state.streams.take(entry);
  }

  // Streams ---------------------------------------------------------------------------------------------------------------

  /** Opens a stream to a member (a server has only the client), or answers undefined at its limit. */
  openStream(member: MemberId, direction: StreamDirection, priority?: number, contributions = true): StreamEntry | undefined {
    const peer = this.state.peerOf(member);
    const entry = this.state.streams.open(peer, direction, priority);
    if (entry === undefined) return undefined;
    entry.contributions = contributions;
    // Without a first frame the peer would not know of the stream, its priority or its rules. spec: STREAM-3
    if (!contributions || (priority !== undefined && priority !== 128)) {
      peer.control.send(
        body("streamAnnounce", {
          streamId: BigInt(entry.id),
          priority: priority ?? 128,
          contributions,
          homeMember: homeOf(entry.id),
          maxStreamData: 0n,
        }),
      );
    }
    return entry;
  }

  /** Bytes that stay unchanged from now on. */
  write(entry: StreamEntry, data: Uint8Array): void {
    const { sender } = entry;
    if (sender === undefined) return;
    sender.stream.write(data);
    entry.peer.enqueue(sender);
  }

  /** Leaves bytes out that another member brings. */
  skip(entry: StreamEntry, bytes: number): void {
    if (entry.sender === undefined) return;
    entry.sender.stream.skip(bytes);
    entry.peer.enqueue(entry.sender);
  }

  finish(entry: StreamEntry): void {
    if (entry.sender === undefined) return;
    entry.sender.stream.finish();
    entry.peer.enqueue(entry.sender);
  }

  setPriority(entry: StreamEntry, priority: number): void {
    const { sender } = entry;
    if (sender === undefined || sender.stream.priority === priority) return;
    sender.stream.priority = priority;
    if (sender.isQueued) entry.peer.queue.add(sender, priority);
    if (!entry.isIncoming) entry.peer.frames.push(new PriorityFrame(entry.peer, sender));
  }

  reset(entry: StreamEntry, code: number): void {
    const { sender } = entry;
    if (sender === undefined) return;
    sender.stream.reset(code);
    entry.peer.dequeue(sender);
    if (sender.stream.resetPending) entry.peer.frames.push(sender.resetFrame);
  }

  stopReading(entry: StreamEntry, code: number): void {
    const { receive } = entry;
    if (receive === undefined || receive.stopCode !== undefined || receive.isFinished || receive.resetCode !== undefined) return;
    receive.stop(code);
    entry.peer.frames.push(entry.stopFrame);
    this.content.streamEnded(entry, "the reader stopped");
    this.grants.streamEnded(entry);
    this.credit.settle(entry);
    this.state.streams.releaseIfFinished(entry);
  }

  /** The next bytes in order, if there are any; credit follows. */
  read(now: Instant, entry: StreamEntry): Uint8Array | undefined {
    const data = entry.receive?.read();
    if (data !== undefined) this.#consumed(now, entry, data.length);
    return data;
  }

  /** Copies the next bytes in order into `target`, as many as there are and fit; answers how many. Credit follows. */
  readInto(now: Instant, entry: StreamEntry, target: Uint8Array): number {
    const bytes = entry.receive?.readInto(target) ?? 0;
    if (bytes > 0) this.#consumed(now, entry, bytes);
    return bytes;
  }

  #consumed(now: Instant, entry: StreamEntry, bytes: number): void {
    this.state.now = now;
    this.credit.consumed(entry, bytes);
    if (this.content.hasFetches) this.content.handleRead(entry);
    this.credit.settle(entry);
    if (entry.receive?.isFinished === true) this.state.streams.releaseIfFinished(entry);
  }

  // Datagrams -------------------------------------------------------------------------------------------------------------

  /** The largest datagram that a path's link takes now, in bytes. */
  setLinkDatagramBytes(pathId: PathId, bytes: number): void {
    const wire = this.state.wires.get(pathId);
    if (wire !== undefined) wire.linkDatagramBytes = bytes;
  }

  /**
   * Sends to the primary's side, or on the path that `over` names: on the best path, on that one, or a copy on each. Answers false if it is too large, or
   * nothing can be sent now. spec: DGRAM-1
   */
  sendDatagram(now: Instant, data: Uint8Array, over: DatagramWay = "best"): boolean {
    this.state.now = now;
    if (data.length > this.state.limits.maxDatagramBytes || this.state.hasEnded) return false;
    return sendDatagram(this.state, data, over);
  }

  // Closing ---------------------------------------------------------------------------------------------------------------

  close(now: Instant, code: number, reason: string, isApplication: boolean): void {
    this.state.now = now;
    this.closing.start(code, reason, isApplication);
  }

  /** Server: leaves the session at once; the client goes on with the other servers. */
  depart(now: Instant, reason: string): void {
    this.state.now = now;
    this.closing.depart(reason);
  }

  /** Server: its client is not waited for any longer. spec: RESUME-7, RESUME-8 */
  giveUp(now: Instant, reason: string): void {
    this.state.now = now;
    this.lifecycle.loseMember(this.state.peerOf(CLIENT_MEMBER), reason);
  }

  /** Server: it leaves within `graceMs`; the client may move, to one of `replacements` ("host:port", "host:port#sha256:…") for instance. spec: DRAIN-1 */
  goAway(now: Instant, reason: string, graceMs: number, replacements: readonly string[] = []): void {
    this.state.now = now;
    this.state.peerOf(CLIENT_MEMBER).control.send(body("goingAway", { reason, graceMs, replacements: [...replacements] }));
  }

  // Frames and messages ---------------------------------------------------------------------------------------------------

  handleAck(ack: AckFrame, from: Peer): ProtocolFailure | undefined {
    const { now } = this.state;
    const path = this.state.paths.byId(ack.pathId);
    if (path === undefined && this.state.paths.wasForgotten(ack.pathId)) return undefined;
    if (path === undefined || path.member !== from.member)
      return failure(ErrorCode.PROTOCOL_VIOLATION, `an acknowledgement for path ${ack.pathId}`);
    if (path.isFinal) return undefined;
    const wasDegraded = path.state === "degraded";
    const acked = path.handleAck(now, ack);
    if ("code" in acked) return acked;
    for (const packet of acked) for (const frame of packet.frames) frame.acknowledged(now);
    if (wasDegraded && !path.isSuspect) this.lifecycle.recovered(path);
    return undefined;
  }

  handlePathClose(pathId: PathId, _code: number, _reason: string, from: Peer): void {
    const path = this.state.paths.byId(pathId);
    if (path !== undefined && path.member === from.member) this.lifecycle.peerCloses(path);
  }

  #fail(wire: PathWire, problem: ProtocolFailure): void {
    this.lifecycle.die(wire.path, problem.code, problem.reason);
  }

  /** A path from which something must come is watched more closely. spec: PATH-5 */
  #updateExpectations(): void {
    const { now } = this.state;
    for (const path of this.state.paths.all()) {
      if (!path.isUsable) continue;
      const peer = this.state.peerOf(path.member);
      const isAwaited = peer.control.unacknowledgedCount > 0 || (this.content.hasFetches && this.content.outstandingFrom(path.member) > 0);
      path.setExpecting(now, isAwaited);
    }
  }
}
