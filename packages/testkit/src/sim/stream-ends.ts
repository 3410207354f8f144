import type { MemberId, Session, StreamDirection, StreamEntry, StreamId, StreamSender } from "@kwik/proto";
import type { Incidents } from "../guards/incidents.ts";
import { patternBytes, patternView } from "../payload.ts";
import type { Flow } from "./flow.ts";
import { serverSideOf } from "./server-side-of.ts";
import { SimStream, type Side } from "./sim-stream.ts";
import type { Clock } from "./virtual-clock.ts";

/** As the public API does: a write waits while this much has not been sent. */
const UNSENT_BYTES = 256 * 1024;
const LOW_UNSENT_BYTES = 128 * 1024;
const WRITE_BYTES = 64 * 1024;
/** Not a multiple of anything: reads end in the middle of pieces. */
const TARGET_BYTES = 50_000;

interface Contributing {
  readonly sender: StreamSender;
  readonly flow: Flow;
}

/** The application at one side of a session: writes what the flows want, reads and checks what comes. */
export class StreamEnds {
  readonly side: Side;
  readonly #name: string;
  readonly #session: Session;
  readonly #target = new Uint8Array(TARGET_BYTES);
  #reads = 0;
  readonly #clock: Clock;
  readonly #incidents: Incidents;
  readonly #streams: Map<StreamId, SimStream>;
  readonly #entries = new Map<StreamId, StreamEntry>();
  readonly #contributing: Contributing[] = [];
  /** Bytes put together in one write, at most; small ones make many segments. */
  maxWriteBytes = WRITE_BYTES;
  /** The process of this side is gone. */
  isGone = false;
  /** Called when the session was given something to do from outside. */
  onWork: () => void = () => undefined;

  /** `streams` is common to all sides of the simulated session. */
  constructor(side: Side, name: string, session: Session, clock: Clock, incidents: Incidents, streams: Map<StreamId, SimStream>) {
    this.side = side;
    this.#name = name;
    this.#session = session;
    this.#clock = clock;
    this.#incidents = incidents;
    this.#streams = streams;
  }

  entry(id: StreamId): StreamEntry | undefined {
    return this.#entries.get(id);
  }

  /** Undefined at the peer's limit. */
  open(member: MemberId, direction: StreamDirection, priority?: number, contributions = true): SimStream | undefined {
    const entry = this.#session.openStream(member, direction, priority, contributions);
    if (entry === undefined) return undefined;
    if (this.#streams.has(entry.id)) throw new Error(`${this.#name}: stream ${entry.id} was opened twice`);
    const stream = new SimStream(entry.id);
    this.#streams.set(entry.id, stream);
    this.#take(entry, stream);
    this.onWork();
    return stream;
  }

  accepted(entry: StreamEntry): void {
    const stream = this.#streams.get(entry.id);
    if (stream === undefined) throw new Error(`${this.#name}: stream ${entry.id} came, and nobody opened it`);
    if (stream.endsOf(this.side) !== undefined) throw new Error(`${this.#name}: stream ${entry.id} was accepted twice`);
    this.#take(entry, stream);
    if (this.#session.state.hasEnded) this.sessionEnded();
    else this.#work(entry, stream);
  }

  changed(entry: StreamEntry, _signals: number): void {
    const stream = this.#streams.get(entry.id);
    if (stream !== undefined && this.#entries.get(entry.id) === entry) this.#work(entry, stream);
  }

  /** Looks at a stream again: its flow wants something else. The caller pumps. */
  work(id: StreamId): void {
    const entry = this.#entries.get(id);
    const stream = this.#streams.get(id);
    if (entry !== undefined && stream !== undefined) this.#work(entry, stream);
    this.onWork();
  }

  reset(id: StreamId, code: number): void {
    const entry = this.#entries.get(id);
    const flow = this.#streams.get(id)?.flowFrom(this.side);
    if (entry?.sender === undefined || flow === undefined || entry.sender.stream.state === "finished") return;
    flow.resetCode ??= code;
    this.#session.reset(entry, code);
    this.onWork();
  }

  stopReading(id: StreamId, code: number): void {
    const entry = this.#entries.get(id);
    const flow = this.#streams.get(id)?.flowTo(this.side);
    if (entry?.receive === undefined || flow === undefined || flow.outcome !== undefined) return;
    this.#session.stopReading(entry, code);
    if (entry.receive.stopCode !== undefined) flow.ended(this.#clock.now, { kind: "stopped", code });
    else this.#work(entry, this.#streams.get(id) as SimStream);
    this.onWork();
  }

  setPriority(id: StreamId, priority: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#session.setPriority(entry, priority);
    this.onWork();
  }

  /** Leaves `bytes` of the stream to a content or to contributors; answers where they begin. Everything wanted so far must be written. */
  skip(id: StreamId, bytes: number): number {
    const entry = this.#entries.get(id);
    const flow = this.#streams.get(id)?.flowFrom(this.side);
    if (entry?.sender === undefined || flow === undefined) throw new Error(`${this.#name}: stream ${id} is not written here`);
    this.#hand(entry, flow, Number.POSITIVE_INFINITY);
    const start = flow.writtenOffset;
    this.#session.skip(entry, bytes);
    flow.wantedOffset += bytes;
    flow.writtenOffset += bytes;
    this.onWork();
    return start;
  }

  /** Puts bytes of another home's stream in place: `count` pieces of `bytes` each, `stride` apart. */
  contribute(id: StreamId, offset: number, bytes: number, count = 1, stride = bytes): void {
    const flow = this.#streams.get(id)?.down;
    if (flow === undefined) return;
    const sender = serverSideOf(this.#session).contributions.open(id, offset);
    if ("code" in sender) throw new Error(`${this.#name}: no contribution to stream ${id}: ${sender.reason}`);
    this.#contributing.push({ sender, flow });
    for (let index = 0; index < count; index += 1) {
      if (index > 0 && stride > bytes) sender.stream.skip(stride - bytes);
      sender.stream.write(patternBytes(flow.key, offset + index * stride, bytes));
    }
    sender.stream.finish();
    sender.peer.enqueue(sender);
    if (sender.stream.isBlockedByStreamCredit) serverSideOf(this.#session).contributions.ask(sender);
    this.onWork();
  }

  /** Contributions whose bytes have not all been acknowledged. */
  get contributingCount(): number {
    return this.#contributing.filter(({ sender }) => sender.stream.bufferedBytes > 0).length;
  }

  contributionsChanged(): void {
    for (let index = this.#contributing.length - 1; index >= 0; index -= 1) {
      const { sender } = this.#contributing[index] as Contributing;
      if (sender.stream.bufferedBytes > 0) continue;
      serverSideOf(this.#session).contributions.close(sender);
      this.#contributing.splice(index, 1);
    }
  }

  sessionEnded(): void {
    for (const stream of this.#streams.values()) {
      const flow = stream.flowTo(this.side);
      if (stream.endsOf(this.side) !== this || flow === undefined || flow.outcome !== undefined) continue;
      flow.ended(this.#clock.now, { kind: "session-ended" });
    }
  }

  /** Bytes kept for readers and for acknowledgement, over all streams. */
  bufferedBytes(): { readonly receive: number; readonly send: number } {
    let receive = 0;
    let send = 0;
    for (const entry of this.#session.state.streams.values()) {
      receive += entry.receive?.bufferedBytes ?? 0;
      send += entry.sender?.stream.bufferedBytes ?? 0;
    }
    return { receive, send };
  }

  #take(entry: StreamEntry, stream: SimStream): void {
    this.#entries.set(entry.id, entry);
    stream.bind(this.side, this);
  }

  #work(entry: StreamEntry, stream: SimStream): void {
    const output = stream.flowFrom(this.side);
    if (output !== undefined && entry.sender !== undefined) this.#write(entry, entry.sender, output);
    const input = stream.flowTo(this.side);
    if (input !== undefined && input.outcome === undefined && !input.isPaused) this.#read(entry, input);
  }

  #write(entry: StreamEntry, sender: StreamSender, flow: Flow): void {
    if (sender.stream.state === "finished") flow.isAcknowledged = true;
    const { stopCode } = sender.stream;
    const failed = entry.failure?.code ?? stopCode;
    if (failed !== undefined && flow.writeFailure === undefined && sender.stream.state !== "finished") {
      flow.writeFailure = failed;
      if (stopCode === undefined) this.#incidents.note("stream-failed", this.#name, `${flow.name}: ${entry.failure?.reason ?? ""}`);
    }
    if (flow.resetCode !== undefined || flow.writeFailure !== undefined || this.#session.state.hasEnded) return;
    const { maxSendBufferBytes } = this.#session.state.limits;
    const { stream } = sender;
    const room = Math.min(
      stream.maxOffset - stream.writtenOffset,
      entry.peer.isAway ? Number.POSITIVE_INFINITY : UNSENT_BYTES - (stream.writtenOffset - stream.sentOffset),
      maxSendBufferBytes - stream.bufferedBytes,
    );
    if (room > 0) this.#hand(entry, flow, room);
    if (flow.writtenOffset < flow.wantedOffset) sender.waitBelow(LOW_UNSENT_BYTES);
    if (flow.isFinishWanted && flow.writtenOffset === flow.wantedOffset) this.#session.finish(entry);
  }

  /** Hands over at least one write's worth if anything is wanted, and stops when `room` is used up. */
  #hand(entry: StreamEntry, flow: Flow, room: number): void {
    for (let used = 0; flow.writtenOffset < flow.wantedOffset && used < room; ) {
      const bytes = Math.min(this.maxWriteBytes, flow.wantedOffset - flow.writtenOffset);
      this.#session.write(entry, patternView(flow.key, flow.writtenOffset, bytes));
      flow.writtenOffset += bytes;
      used += bytes;
    }
  }

  #read(entry: StreamEntry, flow: Flow): void {
    const { receive } = entry;
    const { now } = this.#clock;
    if (receive === undefined) return;
    if (receive.stopCode === undefined && receive.resetCode === undefined) {
      for (let data = this.#next(now, entry); data !== undefined; data = this.#next(now, entry)) flow.arrived(now, data);
      if (receive.isFinished) return flow.ended(now, { kind: "finished" });
    }
    if (receive.resetCode !== undefined) return flow.ended(now, { kind: "reset", code: receive.resetCode });
    if (entry.failure !== undefined) {
      this.#incidents.note("stream-failed", this.#name, `${flow.name}: ${entry.failure.reason}`);
      flow.ended(now, { kind: "failed", code: entry.failure.code });
    }
  }

  /** Both ways of reading, in turns. */
  #next(now: number, entry: StreamEntry): Uint8Array | undefined {
    this.#reads += 1;
    if (this.#reads % 3 === 0) return this.#session.read(now, entry);
    const bytes = this.#session.readInto(now, entry, this.#target);
    return bytes === 0 ? undefined : this.#target.subarray(0, bytes);
  }
}
