import type { Http3Stream, Http3StreamReceiver } from "@kwik/transport-webtransport";
import type { EngineConnection } from "./engine/connection.ts";
import type { WaitingSender, WriteTurns } from "./write-turns.ts";

/** Parts below this many bytes are joined with their small neighbours: one call of the engine costs more than copying them. */
const SMALL_BYTES = 4 * 1024;

/** Joined parts, at most, in bytes. */
const MAX_JOINED_BYTES = 64 * 1024;

/** Handed to the engine in one call, at most, in bytes. It takes or refuses a call as a whole, however far beyond its budget that is. */
const MAX_CALL_BYTES = 256 * 1024;

/** Emptied entries at the front of the queue before it is moved together. */
const COMPACT_AT = 256;

const EMPTY = new Uint8Array(0);

/**
 * One stream of the engine. As kwik's carrier it never ends by FIN, which the engine can lose; the end of anything is said in kwik's own
 * frames, and `reset` frees the stream. HTTP/3 ends streams by FIN, behind bytes, where it is not lost.
 */
export class QuicCarrier implements Http3Stream, WaitingSender {
  readonly id: number;
  receiver: Http3StreamReceiver | undefined = undefined;
  readonly #engine: EngineConnection;
  readonly #turns: WriteTurns;
  readonly #onGone: (carrier: QuicCarrier) => void;
  #queue: Uint8Array[] = [];
  #head = 0;
  #bufferedBytes = 0;
  /** The peer's stream window is used up; a drain event follows. */
  #isBlocked = false;
  /** Some bytes were refused: wait for the turn. */
  #isWaiting = false;
  #isClosed = false;
  /** The last byte of the queue is the stream's last. */
  #isFinishing = false;

  constructor(id: number, engine: EngineConnection, turns: WriteTurns, onGone: (carrier: QuicCarrier) => void) {
    this.id = id;
    this.#engine = engine;
    this.#turns = turns;
    this.#onGone = onGone;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#isClosed || this.#isFinishing) return;
    let index = 0;
    if (this.#bufferedBytes === 0 && !this.#isBlocked && !this.#isWaiting) {
      while (index < parts.length) {
        const next = endOfSmallRun(parts, index);
        const data = next - index > 1 ? join(parts, index, next) : (parts[index] as Uint8Array);
        index = next;
        if (!this.#sendNow(data)) break;
      }
    }
    for (; index < parts.length; index += 1) this.#enqueue(parts[index] as Uint8Array);
  }

  finish(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isFinishing) return;
    this.#isFinishing = true;
    this.#enqueue(bytes);
    if (!this.#isWaiting && this.flush(Number.POSITIVE_INFINITY) === "refused") this.#wait();
  }

  reset(code: number): void {
    if (this.#isClosed) return;
    this.dispose();
    this.#engine.resetStream(this.id, code);
    this.#onGone(this);
  }

  deliver(data: Uint8Array): void {
    if (!this.#isClosed && data.length > 0) this.receiver?.onData(data);
  }

  /** The peer ended its direction. */
  endOfInput(): void {
    if (this.receiver?.onFin === undefined) this.end();
    else if (!this.#isClosed) this.receiver.onFin();
  }

  /** The peer ended or reset the stream, or it broke. */
  end(): void {
    if (this.#isClosed) return;
    const receiver = this.receiver;
    this.reset(0); // gives back the engine's write budget
    receiver?.onEnd();
  }

  /** Forgets what is queued; nothing is sent or delivered any more. */
  dispose(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#head = 0;
    this.#bufferedBytes = 0;
    this.#turns.delete(this);
  }

  onBlocked(): void {
    this.#isBlocked = true;
  }

  onDrain(): void {
    this.#isBlocked = false;
    if (this.#isWaiting || this.#bufferedBytes === 0) return;
    if (this.flush(Number.POSITIVE_INFINITY) === "refused") this.#wait();
  }

  flush(limitBytes: number): "refused" | "more" | "idle" {
    this.#isWaiting = false;
    if (this.#isBlocked) return "idle";
    let sent = 0;
    while (this.#bufferedBytes > 0) {
      if (sent >= limitBytes) {
        this.#isWaiting = true;
        return "more";
      }
      const data = this.#queue[this.#head] as Uint8Array;
      const offered = data.length > MAX_CALL_BYTES ? data.subarray(0, MAX_CALL_BYTES) : data;
      const accepted = this.#engine.send(this.id, offered, this.#isFinishing && offered.length === this.#bufferedBytes);
      this.#bufferedBytes -= accepted;
      sent += accepted;
      if (accepted === data.length) this.#advance();
      else this.#queue[this.#head] = data.subarray(accepted);
      if (accepted < offered.length) {
        this.#isWaiting = true;
        return "refused";
      }
    }
    return "idle";
  }

  #sendNow(data: Uint8Array): boolean {
    if (data.length === 0) return true;
    if (data.length > MAX_CALL_BYTES) {
      this.#enqueue(data);
      if (this.flush(Number.POSITIVE_INFINITY) === "idle") return true;
      this.#wait();
      return false;
    }
    const accepted = this.#engine.send(this.id, data);
    if (accepted === data.length) return true;
    this.#enqueue(accepted === 0 ? data : data.subarray(accepted));
    this.#wait();
    return false;
  }

  #enqueue(data: Uint8Array): void {
    if (data.length === 0) return;
    this.#queue.push(data);
    this.#bufferedBytes += data.length;
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#turns.add(this);
  }

  #advance(): void {
    this.#queue[this.#head] = EMPTY;
    this.#head += 1;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

/** Where the run of small parts that begins at `start` ends; at least `start + 1`. */
function endOfSmallRun(parts: readonly Uint8Array[], start: number): number {
  let end = start;
  let total = 0;
  while (end < parts.length) {
    const length = (parts[end] as Uint8Array).length;
    total += length;
    if (length >= SMALL_BYTES || total > MAX_JOINED_BYTES) break;
    end += 1;
  }
  return end === start ? start + 1 : end;
}

function join(parts: readonly Uint8Array[], start: number, end: number): Uint8Array {
  let total = 0;
  for (let i = start; i < end; i += 1) total += (parts[i] as Uint8Array).length;
  const joined = new Uint8Array(total);
  let at = 0;
  for (let i = start; i < end; i += 1) {
    joined.set(parts[i] as Uint8Array, at);
    at += (parts[i] as Uint8Array).length;
  }
  return joined;
}
