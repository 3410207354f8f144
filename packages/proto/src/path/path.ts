import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { MemberId, PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { type AckContent, AckTracker } from "./ack-tracker.ts";
import { ArrivalRate } from "./arrival-rate.ts";
import { DeliveryRate } from "./delivery-rate.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { Liveness, type LivenessAction, type Vitals } from "./liveness.ts";
import { RttEstimator } from "./rtt-estimator.ts";
import { type SentPacket, SentPackets } from "./sent-packets.ts";

/** spec: PATH-2 */
export type PathState = "connecting" | "authenticating" | "active" | "degraded" | "dead" | "closed";

const KiB = 1024;
/** Up to this size a packet fits into one datagram of any network. */
const SMALL_PACKET_BYTES = KiB;
const UNKNOWN_RATE_PACKET_BYTES = 16 * KiB;
const MIN_PACKET_BYTES = 8 * KiB;
/** A packet takes about this long at the path's rate … */
const PACKET_MS = 5;
/** … and at most this share of what may be in flight, so that several are under way. */
const PACKETS_IN_FLIGHT = 4;

/** One path's numbers, acknowledgements, rates and liveness. `F` is what the session remembers of each frame it sent. */
export class Path<F> implements Vitals {
  readonly id: PathId;
  readonly member: MemberId;
  /** 0 to 255, higher first. */
  priority = 128;
  /** "host:port" of the server end. */
  address = "";
  /** Name of the transport. */
  transport = "";
  /** "sha256:<hex of SPKI>" of the server, if proven. */
  identity: string | undefined = undefined;
  isPrimary = false;
  /** Whether the home of the session's streams brought the member in, with a ticket. */
  isVouched = false;
  /** When the server that refused it may be asked again, in milliseconds from then; 0 if it did not say. spec: CTRL-18 */
  retryAfterMs = 0;
  /** Whether a PROBE is to be sent on this path; the session sets it from `handleTimeout` and clears it. */
  isProbeWanted = false;

  readonly #limits: Limits;
  readonly #sent = new SentPackets<F>();
  readonly #acked: SentPacket<F>[] = [];
  readonly #acks: AckTracker;
  readonly #rtt = new RttEstimator();
  readonly #rate = new DeliveryRate();
  readonly #window: InFlightWindow;
  readonly #liveness: Liveness;
  readonly #arrivals = new ArrivalRate();
  #state: PathState = "connecting";
  #stateReason = "";
  #since: Instant;
  #nextNumber = 0;
  #largestAcked = -1;
  #awakeSince: Instant = Number.NEGATIVE_INFINITY;
  #bytesSent = 0;
  #bytesReceived = 0;
  #bytesResent = 0;
  #packetsSent = 0;
  #packetsReceived = 0;
  #payloadBytesReceived = 0;

  constructor(id: PathId, member: MemberId, limits: Limits, now: Instant) {
    this.id = id;
    this.member = member;
    this.#limits = limits;
    this.#since = now;
    this.#acks = new AckTracker(limits);
    this.#window = new InFlightWindow(limits, this.#rate, this.#rtt);
    this.#liveness = new Liveness(limits, this, now);
  }

  get state(): PathState {
    return this.#state;
  }

  /** Why it is in this state, in words. */
  get stateReason(): string {
    return this.#stateReason;
  }

  /** When it entered this state. */
  get since(): Instant {
    return this.#since;
  }

  /** Final states stay. Becoming active from a state before restarts the clock of liveness. */
  setState(state: PathState, reason: string, now: Instant): void {
    if (this.isFinal || state === this.#state) return;
    if (!this.isUsable) this.#liveness.restart(now);
    this.#state = state;
    this.#stateReason = clipText(reason, MAX_REASON_LENGTH);
    this.#since = now;
  }

  get isUsable(): boolean {
    return this.#state === "active" || this.#state === "degraded";
  }

  get isFinal(): boolean {
    return this.#state === "dead" || this.#state === "closed";
  }

  /** The number that `nextPacketNumber` will give. */
  peekPacketNumber(): number {
    return this.#nextNumber;
  }

  /** Uses up a packet number. spec: PATH-4 */
  nextPacketNumber(): number {
    this.#nextNumber += 1;
    return this.#nextNumber - 1;
  }

  /** The number given last; -1 before the first. */
  get lastPacketNumber(): number {
    return this.#nextNumber - 1;
  }

  /**
   * A packet was handed to the link. Only ack-eliciting ones are remembered, count as in flight and bring their frames back.
   * `bytes` is the packet's size, `isResend` says that it repeats what went out on a path before,
   * `isCopy` that it does while the first is still waited for: should this one be lost, nothing is.
   */
  handleSent(
    now: Instant,
    number: number,
    bytes: number,
    isAckEliciting: boolean,
    frames: readonly F[],
    isResend = false,
    isCopy = false,
  ): void {
    this.#bytesSent += bytes;
    this.#packetsSent += 1;
    if (isResend) this.#bytesResent += bytes;
    if (!isAckEliciting) return;
    this.#rate.handleSent(now, this.#sent.inFlightBytes);
    this.#sent.append(number, now, bytes, frames, isCopy);
    this.#window.handleSent(this.#sent.inFlightBytes);
    this.#liveness.sent(now);
  }

  /**
   * Takes an acknowledgement of this path's packets, on whichever path it came. Answers the packets that it newly acknowledges, ascending;
   * the array is reused by the next call. A number that was never sent is a violation. The ranges must be well formed, as from the decoder.
   */
  handleAck(now: Instant, ack: Readonly<AckContent>): SentPacket<F>[] | ProtocolFailure {
    if (ack.largest >= this.#nextNumber) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `acknowledges packet ${ack.largest} of path ${this.id}, ${this.#nextNumber} were sent`);
    }
    const acked = this.#acked;
    const before = this.#sent.inFlightBytes;
    this.#sent.acknowledge(ack.ranges, acked);
    const isAdvance = ack.largest > this.#largestAcked;
    if (isAdvance) this.#largestAcked = ack.largest;
    const newest = acked[acked.length - 1];
    if ((isAdvance || newest !== undefined) && this.#isSignOfLife(acked)) this.#liveness.progress(now);
    if (newest === undefined) return acked;
    // An old packet whose carrier lagged says nothing of the path's round trip.
    // Nor does the time for which the acknowledgement lay here unread.
    if (newest.sentAt >= this.#awakeSince && (isAdvance || this.#rtt.latestMs === undefined)) {
      const delayMs = Math.min(ack.delayMicros / 1000, this.#limits.maxAckDelayMs);
      this.#rtt.update(now - newest.sentAt, delayMs, now);
    }
    const ackedBytes = before - this.#sent.inFlightBytes;
    this.#rate.handleAck(now, ackedBytes, newest.sentAt, this.#rtt.smoothedMs ?? 0, this.#rtt.minMs ?? 0);
    this.#window.handleAck(now, ackedBytes, this.#sent.inFlightBytes, this.#largestAcked, this.#nextNumber, this.usualPacketBytes);
    return acked;
  }

  /**
   * A whole packet was processed. Answers true, or a failure for a number that came before: a reliable link does not repeat. spec: PATH-4
   */
  handlePacket(now: Instant, number: number, isAckEliciting: boolean, payloadBytes: number): boolean | ProtocolFailure {
    if (this.#acks.received(number, isAckEliciting, now) === "duplicate") {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `packet ${number} of path ${this.id} came twice`);
    }
    this.#packetsReceived += 1;
    this.#payloadBytesReceived += payloadBytes;
    this.#liveness.heard(now);
    return true;
  }

  /** The process did not run until now: what was under way then is no measure. spec: RESUME-3 */
  wokeUp(now: Instant): void {
    this.#awakeSince = now;
  }

  /** When bytes last came in. */
  get heardAt(): Instant {
    return this.#liveness.heardAt;
  }

  /** Bytes came in, whole packets or not. */
  heard(now: Instant, bytes: number): void {
    this.#bytesReceived += bytes;
    this.#arrivals.add(now, bytes);
    this.#liveness.heard(now);
  }

  /** The next acknowledgement goes out at once: for a probe and for the end of a stream. spec: ACK-2 */
  requestAck(): void {
    this.#acks.requestImmediate();
  }

  /** When an acknowledgement should go out; undefined if none is owed. */
  get ackDueAt(): Instant | undefined {
    return this.#acks.dueAt;
  }

  /** The acknowledgement, if it is due. */
  pollAck(now: Instant): AckContent | undefined {
    const dueAt = this.#acks.dueAt;
    return dueAt === undefined || dueAt > now ? undefined : this.#acks.build(now, this.id);
  }

  /** The acknowledgement that is owed, due or not: a packet that leaves anyway can take it along. */
  takeAck(now: Instant): AckContent | undefined {
    return this.#acks.dueAt === undefined ? undefined : this.#acks.build(now, this.id);
  }

  /** The peer told whether it finds this path silent. spec: PATH-5 */
  setDoubtedByPeer(isDoubted: boolean): void {
    this.#liveness.setDoubtedByPeer(isDoubted);
  }

  /** Whether bytes are awaited from the peer on this path. */
  setExpecting(now: Instant, isExpecting: boolean): void {
    this.#liveness.setExpecting(now, isExpecting);
  }

  /** Bytes that may still be handed to the link. spec: PATH-11 */
  get roomBytes(): number {
    return Math.max(0, Math.floor(this.#window.limitBytes) - this.#sent.inFlightBytes);
  }

  get inFlightBytes(): number {
    return this.#sent.inFlightBytes;
  }

  get inFlightLimitBytes(): number {
    return Math.floor(this.#window.limitBytes);
  }

  /** Payload of the next packet, at most: about 5 ms of the path's rate, and no more than there is room for (but at least 1 KiB). */
  packetBytes(): number {
    return Math.min(this.usualPacketBytes, Math.max(this.roomBytes, KiB));
  }

  /** There is room, but nothing to send: what is measured from here on is the application, not the path. */
  setAppLimited(): void {
    this.#rate.setAppLimited(this.#sent.inFlightBytes);
  }

  get smoothedRttMs(): DurationMs | undefined {
    return this.#rtt.smoothedMs;
  }

  get minRttMs(): DurationMs | undefined {
    return this.#rtt.minMs;
  }

  /** Bytes per millisecond towards the peer; 0 while unknown. */
  get deliveryRate(): number {
    return this.#rate.bytesPerMs;
  }

  get probeTimeoutMs(): DurationMs {
    return this.#rtt.probeTimeoutMs(this.#limits);
  }

  /** When the oldest unacknowledged packet was sent. */
  get oldestSentAt(): Instant | undefined {
    return this.#sent.oldest?.sentAt;
  }

  /** An acknowledgement is missing for a probe timeout. Ends with the next acknowledgement that makes progress. spec: PATH-5 */
  get isSuspect(): boolean {
    return this.#liveness.isSuspect;
  }

  /** When `handleTimeout` wants to be called; liveness only, acknowledgements have `ackDueAt`. Undefined while the path is not in use. */
  nextTimeout(): Instant | undefined {
    return this.isUsable ? this.#liveness.nextTimeout() : undefined;
  }

  /** What liveness asks for now. The state does not change by itself: the session sets it. */
  handleTimeout(now: Instant): LivenessAction | undefined {
    return this.isUsable ? this.#liveness.handleTimeout(now) : undefined;
  }

  /** Packets without acknowledgement, ascending. */
  unacknowledged(): IterableIterator<SentPacket<F>> {
    return this.#sent.unacknowledged();
  }

  /** Takes them out; nothing is in flight afterwards, and a late acknowledgement of them brings back nothing. */
  takeUnacknowledged(): SentPacket<F>[] {
    return this.#sent.takeAll();
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** All bytes that came in on the link. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Bytes that were on another path before. */
  get bytesResent(): number {
    return this.#bytesResent;
  }

  get packetsSent(): number {
    return this.#packetsSent;
  }

  get packetsReceived(): number {
    return this.#packetsReceived;
  }

  /** Bytes of frames in whole packets. */
  get payloadBytesReceived(): number {
    return this.#payloadBytesReceived;
  }

  /** Bytes per second that arrived, over about the last second. */
  receiveRate(now: Instant): number {
    return this.#arrivals.perSecond(now);
  }

  /** A path whose datagrams became smaller on the way goes on to answer probes, and loses everything else. spec: PATH-5 */
  #isSignOfLife(acked: readonly SentPacket<F>[]): boolean {
    const oldest = this.#sent.oldest;
    if (oldest === undefined || oldest.bytes <= SMALL_PACKET_BYTES) return true;
    for (const packet of acked) if (packet.bytes > SMALL_PACKET_BYTES) return true;
    return false;
  }

  /** Payload of a packet when there is enough to send and room: about 5 ms of the path's rate. */
  get usualPacketBytes(): number {
    const rate = this.#rate.bytesPerMs;
    const wanted = rate === 0 ? UNKNOWN_RATE_PACKET_BYTES : PACKET_MS * rate;
    const share = this.#window.limitBytes / PACKETS_IN_FLIGHT;
    return Math.floor(Math.min(Math.max(MIN_PACKET_BYTES, Math.min(wanted, share)), this.#limits.maxPacketBytes));
  }
}
