import type { CarrierId } from "../base/ids.ts";
import type { Instant } from "../base/time.ts";
import { crc32 } from "../wire/crc32.ts";
import { hasRoom } from "../schedule/eligible-path.ts";
import { PacketEncoder } from "../wire/packet-encoder.ts";
import { CarrierKind } from "../wire/preamble.ts";
import { OpenPaths, preferred, ridden } from "./open-paths.ts";
import type { OutgoingFrames } from "./outgoing-frame.ts";
import type { PathWire } from "./path-wire.ts";
import type { Peer } from "./peer.ts";
import type { PacketCopy } from "./packet-copy.ts";
import { Reinjection } from "./reinjection.ts";
import type { Sendable } from "./sendable.ts";
import type { SentFrame } from "./sent-frame.ts";
import { DatagramFrame } from "./single-frames.ts";
import type { SessionPath } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";
import type { Transmit } from "./transmit.ts";
import { Trial } from "./trial.ts";

/** Frames that are only of use at once (acknowledgements aside) go in packets of at most this size. */
const FEEDBACK_PACKET_BYTES = 4096;

/** Headers come on top of the data that a packet aims at, so that a write of just that size needs one packet. spec: WIRE-4 */
const HEADER_ROOM_BYTES = 64;

/** What a scheduler decides about at once, at most; the packet of a fast path may then be larger. */
const SCHEDULED_BYTES = 64 * 1024;

/** A message may go once this part of the in-flight bound is free, however large it is; as much as data itself asks for. */
const MESSAGE_ROOM_DIVISOR = 4;

/** How often the number of carriers is looked at when no stream came or went, in milliseconds. */
const FIT_CARRIERS_MS = 1_000;

/**
 * Decides what goes out next, to whom and on which path: envelopes, acknowledgements, small frames, then stream bytes and ranges by
 * the peer's queue and scheduler. One packet or envelope per call.
 */
export class PacketWriter {
  readonly #state: SessionState;
  readonly #checkedEncoder: PacketEncoder;
  readonly #plainEncoder = new PacketEncoder();
  /** The one of the packet that is being written. */
  #encoder: PacketEncoder;
  readonly #open: OpenPaths;
  readonly #reinjection: Reinjection;
  readonly #trial: Trial;
  /** The path whose packets take their acknowledgements along in this poll. */
  #riding: SessionPath | undefined = undefined;

  constructor(state: SessionState) {
    this.#state = state;
    this.#open = new OpenPaths(state);
    this.#reinjection = new Reinjection(state.limits.maxDuplicateShare);
    this.#trial = new Trial(state.limits.maxDuplicateShare > 0);
    this.#checkedEncoder = new PacketEncoder({ checksum: state.config.checksum ?? crc32 });
    this.#encoder = this.#plainEncoder;
  }

  poll(now: Instant): Transmit | undefined {
    for (const wire of this.#state.wires.values()) {
      const transmit = wire.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    for (const peer of this.#state.peers.values()) {
      const transmit = this.#pollPeer(peer, now);
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }

  #pollPeer(peer: Peer, now: Instant): Transmit | undefined {
    const paths = this.#open.to(peer, now);
    if (paths.length === 0) return this.#pollRemoved(peer, now);
    const opening = this.#fitCarriers(peer, paths, now);
    if (opening !== undefined) return opening;
    const riding = ridden(paths);
    this.#riding = riding;
    const willSend = riding !== undefined && (peer.queue.size > 0 || !peer.frames.isEmpty);
    return (
      (this.#state.hasEnded ? this.#acknowledgement(peer, paths, now) : undefined) ??
      this.#control(peer, paths) ??
      (willSend ? undefined : this.#acknowledgement(peer, paths, now)) ??
      this.#probe(peer, now) ??
      this.#smallFrames(peer, paths, now) ??
      this.#messages(peer, paths, now) ??
      this.#data(peer, paths, now) ??
      (willSend ? this.#acknowledgement(peer, paths, now) : undefined)
    );
  }

  /** All paths to the peer are being removed: what is under way on them is still acknowledged. */
  #pollRemoved(peer: Peer, now: Instant): Transmit | undefined {
    const paths = this.#open.removedTo(peer);
    if (paths.length === 0) return undefined;
    this.#riding = undefined;
    return (
      this.#control(peer, paths) ?? this.#acknowledgement(peer, paths, now) ?? this.#probe(peer, now) ?? this.#smallFrames(peer, paths, now)
    );
  }

  /** Opens carriers as streams come, and gives them back when few are left. spec: STREAM-8 */
  #fitCarriers(peer: Peer, paths: readonly SessionPath[], now: Instant): Transmit | undefined {
    const streams = this.#state.streams.size;
    if (streams === peer.fittedStreams && now < peer.fitCarriersAt) return undefined;
    peer.fittedStreams = streams;
    peer.fitCarriersAt = now + FIT_CARRIERS_MS;
    for (const path of paths) {
      const wire = this.#state.wireOf(path);
      if (wire === undefined) continue;
      const wanted = wire.pool.wanted(streams, now);
      for (let count = wire.openingCount; count < wanted; count += 1) wire.wantCarrier(CarrierKind.data, this.#state.now);
      if (wanted < 0) wire.pool.giveBack(-wanted);
      const transmit = wire.pollTransmit() ?? this.#farewell(peer, wire, now);
      if (transmit !== undefined) {
        // The other paths have their turn with the next poll.
        peer.fitCarriersAt = now;
        return transmit;
      }
    }
    return undefined;
  }

  /** The last packet on a carrier that is given back, by this side or the other. spec: CARRIER-6 */
  #farewell(peer: Peer, wire: PathWire, now: Instant): Transmit | undefined {
    if (!wire.pool.hasFarewell) return undefined;
    if (wire.path.roomBytes === 0) {
      // A peer that opens carriers, gives them back and acknowledges nothing is not answered without end. spec: PATH-11
      peer.fitCarriersAt = now;
      return undefined;
    }
    const carrier = wire.pool.pollFarewell();
    if (carrier === undefined) return undefined;
    this.#begin(wire, wire.path.nextPacketNumber());
    this.#encoder.carrierRetire();
    return this.#finish(wire, carrier, [], now);
  }

  #control(peer: Peer, paths: readonly SessionPath[]): Transmit | undefined {
    if (!peer.control.hasPending && !peer.control.isAckOwed) return undefined;
    // Data may follow the hello at once, further messages follow its answer. spec: CTRL-9
    if (!peer.isKnown) return undefined;
    const path = preferred(paths);
    const wire = this.#state.wireOf(path);
    if (wire?.input.controlCarrier === undefined) return undefined;
    const envelope = peer.control.poll(path.id) ?? peer.control.pollAck();
    if (envelope === undefined) return undefined;
    wire.sendEnvelope(envelope);
    return wire.pollTransmit();
  }

  /** Acknowledgements go on their own path, or on the best one while that is suspect. spec: ACK-1 */
  #acknowledgement(peer: Peer, paths: readonly SessionPath[], now: Instant): Transmit | undefined {
    for (const path of this.#state.paths.ofMember(peer.member)) {
      if (path.ackDueAt === undefined || path.ackDueAt > now || path.isFinal) continue;
      const way = path.isUsable && !path.isSuspect && this.#state.wireOf(path)?.isClosing === false ? path : preferred(paths);
      const wire = this.#state.wireOf(way);
      const carrier = wire === undefined ? undefined : this.#feedbackCarrier(wire);
      if (wire === undefined || carrier === undefined) return wire?.pollTransmit();
      const ack = path.pollAck(now);
      if (ack === undefined) continue;
      this.#begin(wire, way.nextPacketNumber());
      this.#encoder.ack(ack);
      return this.#finish(wire, carrier, [], now);
    }
    return undefined;
  }

  #probe(peer: Peer, now: Instant): Transmit | undefined {
    for (const path of this.#state.paths.ofMember(peer.member)) {
      if (!path.isProbeWanted || path.isFinal) continue;
      const wire = this.#state.wireOf(path);
      if (wire === undefined || !wire.maySendData || wire.isClosing) continue;
      const carrier = this.#feedbackCarrier(wire);
      if (carrier === undefined) return wire.pollTransmit();
      path.isProbeWanted = false;
      const wasIdle = path.inFlightBytes === 0;
      this.#begin(wire, path.nextPacketNumber());
      this.#encoder.probe();
      const transmit = this.#finish(wire, carrier, [], now);
      // One byte says nothing of a rate; what else is under way does.
      if (wasIdle) path.setAppLimited();
      return transmit;
    }
    return undefined;
  }

  #smallFrames(peer: Peer, paths: readonly SessionPath[], now: Instant): Transmit | undefined {
    return peer.frames.isEmpty ? undefined : this.#frames(peer.frames, preferred(paths), now);
  }

  /** Raw messages and datagrams, as far as there is room. spec: PATH-11 */
  #messages(peer: Peer, paths: readonly SessionPath[], now: Instant): Transmit | undefined {
    for (const path of paths) {
      const bound = this.#state.wireOf(path)?.datagrams;
      const transmit = bound === undefined || bound.isEmpty ? undefined : this.#message(bound, [path], now);
      if (transmit !== undefined) return transmit;
    }
    return (
      (peer.datagrams.isEmpty ? undefined : this.#message(peer.datagrams, paths, now)) ??
      (peer.messages.isEmpty ? undefined : this.#message(peer.messages, paths, now))
    );
  }

  #message(waiting: OutgoingFrames, paths: readonly SessionPath[], now: Instant): Transmit | undefined {
    const next = waiting.peek();
    if (next === undefined) return undefined;
    if (next instanceof DatagramFrame) {
      const path = preferred(paths);
      if (next.linkBytes <= (this.#state.wireOf(path)?.linkDatagramBytes ?? 0)) {
        waiting.shift();
        return { kind: "datagram", pathId: path.id, data: next.encodeForLink() };
      }
    }
    // Bulk leaves no more room than this: a larger message would wait for the end of it.
    const roomy = paths.filter(
      (path) => path.inFlightBytes === 0 || path.roomBytes >= Math.min(next.encodedBytes, path.inFlightLimitBytes / MESSAGE_ROOM_DIVISOR),
    );
    return roomy.length === 0 ? undefined : this.#frames(waiting, preferred(roomy), now);
  }

  /** One packet of waiting frames. */
  #frames(waiting: OutgoingFrames, path: SessionPath, now: Instant): Transmit | undefined {
    const wire = this.#state.wireOf(path);
    const carrier = wire === undefined ? undefined : this.#feedbackCarrier(wire);
    if (wire === undefined || carrier === undefined) return wire?.pollTransmit();
    const frames: SentFrame[] = [];
    let isBegun = false;
    for (let next = waiting.peek(); next !== undefined; next = waiting.peek()) {
      if (isBegun && this.#encoder.payloadBytes + next.encodedBytes > FEEDBACK_PACKET_BYTES) break;
      // It travels by itself. spec: DGRAM-4
      if (isBegun && next instanceof DatagramFrame && next.linkBytes <= wire.linkDatagramBytes) break;
      waiting.shift();
      if (!isBegun) {
        this.#begin(wire, path.peekPacketNumber());
        isBegun = true;
      }
      if (next.encode(this.#encoder, now)) frames.push(next);
    }
    if (!isBegun || this.#encoder.payloadBytes === 0) return undefined;
    path.nextPacketNumber();
    this.#ride(path, now);
    return this.#finish(wire, carrier, frames, now);
  }

  #data(peer: Peer, usable: readonly SessionPath[], now: Instant): Transmit | undefined {
    const paths = this.#trial.proven(peer, usable);
    const scheduledBytes = Math.min(this.#state.limits.maxPacketBytes, SCHEDULED_BYTES);
    for (let head = peer.queue.peek(); head !== undefined; head = peer.queue.peek()) {
      // A lone end of a stream is ready without having bytes.
      const readyBytes = Math.max(head.readyBytes, 1);
      const packetBytes = Math.min(readyBytes, scheduledBytes);
      const pendingBytes = Math.max(readyBytes, head.expectedBytes) + (peer.queue.size - 1) * packetBytes;
      const path = peer.scheduler.pick(paths, packetBytes, pendingBytes, now) as SessionPath | undefined;
      if (path === undefined) {
        // What is left unused on purpose must not look slow.
        for (const idle of paths) if (hasRoom(idle, packetBytes, readyBytes)) idle.setAppLimited();
        return this.#copies(peer, usable, [], now);
      }
      const transmit = this.#dataOn(path, head, peer, now);
      if (transmit !== undefined) return transmit;
    }
    const copy = this.#copies(peer, usable, paths, now);
    if (copy !== undefined) return copy;
    // A path that is full but for a piece of a packet is no idle one.
    for (const path of paths) if (hasRoom(path, scheduledBytes, scheduledBytes)) path.setAppLimited();
    return undefined;
  }

  /** Something that is under way, once more: on one of `idle` where it comes earlier there, or on a path that is to be tried. */
  #copies(peer: Peer, usable: readonly SessionPath[], idle: readonly SessionPath[], now: Instant): Transmit | undefined {
    for (;;) {
      const copy = this.#reinjection.find(peer, idle, now) ?? this.#trial.find(peer, usable);
      if (copy === undefined) return undefined;
      const transmit = this.#copy(peer, copy, now);
      if (transmit !== undefined) return transmit;
    }
  }

  /** On that path and no other: the scheduler, with estimates of its own, might send the copy after its original. */
  #copy(peer: Peer, copy: PacketCopy, now: Instant): Transmit | undefined {
    const { packet, path } = copy;
    // If it does not go out now it never will: nothing depends on it.
    packet.isCopied = true;
    const wire = this.#state.wireOf(path);
    const carrier = wire === undefined ? undefined : this.#dataCarrier(wire, 0);
    if (wire === undefined || carrier === undefined) return wire?.pollTransmit();
    const frames: SentFrame[] = [];
    this.#begin(wire, path.peekPacketNumber());
    for (const frame of packet.frames) {
      const room = copy.maxBytes - this.#encoder.payloadBytes;
      if (room < HEADER_ROOM_BYTES) break;
      const copied = frame.copyInto?.(this.#encoder, room);
      if (copied !== undefined) frames.push(copied);
    }
    if (frames.length === 0) return undefined;
    path.nextPacketNumber();
    peer.sentDataBytes += this.#encoder.payloadBytes;
    if (copy.isTrial) peer.trialBytes += this.#encoder.payloadBytes;
    else peer.reinjectedBytes += this.#encoder.payloadBytes;
    return this.#finish(wire, carrier, frames, now, true, true);
  }

  /** One packet of what the queue holds, `head` first; undefined if that had nothing after all, and left the queue. */
  #dataOn(path: SessionPath, head: Sendable, peer: Peer, now: Instant): Transmit | undefined {
    const wire = this.#state.wireOf(path);
    if (wire === undefined) return undefined;
    const carrier = this.#dataCarrier(wire, head.carrierKey);
    if (carrier === undefined) return wire.pollTransmit();
    const frames: SentFrame[] = [];
    const resentBefore = peer.resentBytes;
    this.#begin(wire, path.peekPacketNumber());
    this.#fill(peer, path.packetBytes() + HEADER_ROOM_BYTES, frames);
    if (frames.length === 0) return undefined;
    path.nextPacketNumber();
    this.#ride(path, now);
    peer.sentDataBytes += this.#encoder.payloadBytes;
    return this.#finish(wire, carrier, frames, now, peer.resentBytes > resentBefore);
  }

  /** Takes turns among the queue's senders until the packet is full. */
  #fill(peer: Peer, packetBytes: number, frames: SentFrame[]): void {
    for (let head = peer.queue.peek(); head !== undefined; head = peer.queue.peek()) {
      const room = packetBytes - this.#encoder.payloadBytes;
      if (room < 64 && frames.length > 0) return;
      const taken = head.fill(this.#encoder, room, frames);
      if (taken === 0) {
        peer.dequeue(head);
        if (head.isReady) peer.waitForCredit(head);
      } else if (head.isReady) peer.queue.rotate(taken);
      else peer.dequeue(head);
    }
  }

  /** Takes the acknowledgement that the packet's own path owes along. */
  #ride(path: SessionPath, now: Instant): void {
    const ack = path === this.#riding ? path.takeAck(now) : undefined;
    if (ack !== undefined) this.#encoder.ack(ack);
  }

  /** Links that protect their bytes need no checksum. spec: WIRE-6 */
  #begin(wire: PathWire, packetNumber: number): void {
    this.#encoder = wire.input.requiresChecksum ? this.#checkedEncoder : this.#plainEncoder;
    this.#encoder.begin(packetNumber);
  }

  #finish(wire: PathWire, carrier: CarrierId, frames: SentFrame[], now: Instant, isResend = false, isCopy = false): Transmit {
    const isAckEliciting = this.#encoder.isAckEliciting;
    const number = wire.path.lastPacketNumber;
    const bytes = this.#encoder.payloadBytes;
    const parts = this.#encoder.finish();
    wire.path.handleSent(now, number, bytes, isAckEliciting, frames, isResend, isCopy);
    return { kind: "send", pathId: wire.id, carrier, parts };
  }

  #feedbackCarrier(wire: PathWire): CarrierId | undefined {
    const carrier = wire.pool.feedbackCarrier;
    if (carrier === undefined && wire.openingCount === 0) wire.wantCarrier(CarrierKind.data, this.#state.now);
    return carrier;
  }

  #dataCarrier(wire: PathWire, key: number): CarrierId | undefined {
    const carrier = wire.pool.carrierFor(key);
    if (carrier === undefined && wire.openingCount === 0) wire.wantCarrier(CarrierKind.data, this.#state.now);
    return carrier;
  }
}
