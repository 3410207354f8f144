import { ErrorCode, failure } from "../base/error-codes.ts";
import type { ProtocolFailure } from "../base/error-codes.ts";
import type { PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { body, envelopeOf, isPathScoped } from "./control-body.ts";
import type { Envelope, NumberedBody } from "./control-body.ts";
import { controlBodyBytes, type ControlMessages, type ReceivedEnvelope } from "./control-messages.ts";

/** Numbered messages that may be sent and not acknowledged at once. Part of the protocol, not a setting. spec: CTRL-8 */
export const CONTROL_WINDOW_MESSAGES = 256;

/** Bytes of such messages, without number and acknowledgement. spec: CTRL-8 */
export const CONTROL_WINDOW_BYTES = 2 * 1024 * 1024;

/** Largest message that is sent, in bytes; every receiver takes this much. spec: CTRL-2 */
export const MAX_SENT_CONTROL_BYTES = 512 * 1024;

interface Outgoing {
  readonly seq: number;
  readonly body: NumberedBody;
  readonly bytes: number;
  /** Where it was sent last; undefined if it waits to be sent, for the first time or again. */
  path: PathId | undefined;
}

interface Incoming {
  readonly body: Envelope["body"];
  readonly bytes: number;
}

/**
 * Brings control messages to one peer exactly once and in order, over whatever paths lead there. A path delivers what it was given
 * or is declared lost; there are no timers here. spec: CTRL-5, CTRL-6, CTRL-7
 */
export class ControlChannel {
  readonly #messages: ControlMessages;
  readonly #maxQueue: number;
  /** Unacknowledged messages by ascending number without gaps: first those that were sent, then those that never were. */
  readonly #outgoing: Outgoing[] = [];
  /** No message before this index of `#outgoing` waits to be sent. */
  #cursor = 0;
  #lastSeq = 0;
  #highestSent = 0;
  #highestAcknowledged = 0;
  /** Bytes of the messages that were sent at least once and are not acknowledged. */
  #sentBytes = 0;
  #queuedBytes = 0;
  #overflow: ProtocolFailure | undefined;

  readonly #incoming = new Map<number, Incoming>();
  #incomingBytes = 0;
  /** Every message up to this number was given out. */
  #taken = 0;
  #owesAck = false;
  #ackPath: PathId | undefined;
  #unknownCount = 0;

  constructor(limits: Pick<Limits, "maxControlQueue">, messages: ControlMessages) {
    this.#messages = messages;
    this.#maxQueue = limits.maxControlQueue;
  }

  /**
   * Queues a message and numbers it. Answers TOO_LARGE above MAX_SENT_CONTROL_BYTES, and LIMIT_REACHED if the peer has left
   * `maxControlQueue` messages unacknowledged; the message is then not taken. After LIMIT_REACHED the two ends no longer agree:
   * `handle` answers it too from then on.
   */
  send(body: NumberedBody): ProtocolFailure | undefined {
    const bytes = controlBodyBytes(this.#messages, body);
    if (bytes > MAX_SENT_CONTROL_BYTES) {
      return failure(ErrorCode.TOO_LARGE, `${body.case} of ${bytes} bytes; ${MAX_SENT_CONTROL_BYTES} can be sent`);
    }
    if (this.#outgoing.length >= this.#maxQueue) {
      this.#overflow ??= failure(ErrorCode.LIMIT_REACHED, `${this.#outgoing.length} control messages are not acknowledged`);
      return this.#overflow;
    }
    this.#lastSeq += 1;
    this.#outgoing.push({ seq: this.#lastSeq, body, bytes, path: undefined });
    this.#queuedBytes += bytes;
    return undefined;
  }

  /** The next message to put on this path, lost ones first, then by number; it counts as sent there. Carries the acknowledgement. */
  poll(pathId: PathId): Envelope | undefined {
    const next = this.#next();
    if (next === undefined) return undefined;
    next.path = pathId;
    if (next.seq > this.#highestSent) {
      this.#highestSent = next.seq;
      this.#sentBytes += next.bytes;
    }
    this.#owesAck = false;
    return envelopeOf(next.body, next.seq, this.#taken);
  }

  /** A bare acknowledgement, if one is owed that no message carried. Ask after `pollDelivered` and `poll` have nothing more. */
  pollAck(): Envelope | undefined {
    if (!this.#owesAck) return undefined;
    this.#owesAck = false;
    return envelopeOf(body("controlAck", {}), 0, this.#taken);
  }

  /**
   * Takes an envelope of an accepted path. Messages of kind `isPathScoped` other than `controlAck` are the caller's; here they are a
   * violation. Answers PROTOCOL_VIOLATION (end the session with this peer) or LIMIT_REACHED (beyond the window).
   */
  handle(envelope: ReceivedEnvelope, pathId: PathId): ProtocolFailure | undefined {
    if (this.#overflow !== undefined) return this.#overflow;
    const ack = Number(envelope.ack);
    if (ack > this.#highestSent) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `acknowledges control message ${ack}; ${this.#highestSent} were sent`);
    }
    this.#acknowledge(ack);
    const seq = Number(envelope.seq);
    const kind = envelope.body.case;
    if (seq === 0) {
      if (kind === undefined || kind === "controlAck") return undefined;
      const wrong = isPathScoped(kind) ? "on a path that has begun" : "without a number";
      return failure(ErrorCode.PROTOCOL_VIOLATION, `${kind} ${wrong}`);
    }
    if (kind !== undefined && isPathScoped(kind)) return failure(ErrorCode.PROTOCOL_VIOLATION, `${kind} with number ${seq}`);
    return this.#hold(seq, envelope, pathId);
  }

  /** The next message of the peer, in order, each once. Kinds that this version does not know are passed over and counted. */
  pollDelivered(): NumberedBody | undefined {
    for (;;) {
      const next = this.#incoming.get(this.#taken + 1);
      if (next === undefined) return undefined;
      this.#taken += 1;
      this.#incoming.delete(this.#taken);
      this.#incomingBytes -= next.bytes;
      this.#owesAck = true;
      if (next.body.case === undefined) this.#unknownCount += 1;
      else return next.body as NumberedBody;
    }
  }

  /**
   * What was last sent on this path and is not acknowledged is sent again elsewhere; so is the acknowledgement, which may have been lost
   * with it. For a path that died, was closed, or is suspect.
   */
  pathLost(pathId: PathId): void {
    for (let index = 0; index < this.#outgoing.length; index += 1) {
      const entry = this.#outgoing[index] as Outgoing;
      if (entry.seq > this.#highestSent) break;
      if (entry.path !== pathId) continue;
      entry.path = undefined;
      this.#cursor = Math.min(this.#cursor, index);
    }
    if (this.#taken > 0) this.#owesAck = true;
    if (this.#ackPath === pathId) this.#ackPath = undefined;
  }

  /** Whether `poll` has a message now; false also while the window is full. */
  get hasPending(): boolean {
    return this.#next() !== undefined;
  }

  /** Whether `pollAck` has an acknowledgement now. */
  get isAckOwed(): boolean {
    return this.#owesAck;
  }

  /** Messages queued or sent, and not acknowledged. */
  get unacknowledgedCount(): number {
    return this.#outgoing.length;
  }

  /** Bytes of these messages: what a sender of many large ones should pace itself by. */
  get unacknowledgedBytes(): number {
    return this.#queuedBytes;
  }

  /** The path on which the oldest message under way was sent: the one from which an acknowledgement is expected. */
  get oldestUnacknowledgedPath(): PathId | undefined {
    for (const entry of this.#outgoing) {
      if (entry.seq > this.#highestSent) return undefined;
      if (entry.path !== undefined) return entry.path;
    }
    return undefined;
  }

  /** Where the latest message came from: the path on which an acknowledgement is best sent. */
  get ackPath(): PathId | undefined {
    return this.#ackPath;
  }

  /** Messages of kinds that this version does not know, so far. */
  get unknownCount(): number {
    return this.#unknownCount;
  }

  #next(): Outgoing | undefined {
    let entry = this.#outgoing[this.#cursor];
    while (entry !== undefined && entry.path !== undefined) {
      this.#cursor += 1;
      entry = this.#outgoing[this.#cursor];
    }
    if (entry === undefined || entry.seq <= this.#highestSent) return entry;
    if (this.#cursor >= CONTROL_WINDOW_MESSAGES) return undefined;
    if (this.#sentBytes + entry.bytes > CONTROL_WINDOW_BYTES) return undefined;
    return entry;
  }

  #acknowledge(ack: number): void {
    const count = ack - this.#highestAcknowledged;
    // An older acknowledgement that a slower path brought.
    if (count <= 0) return;
    for (const entry of this.#outgoing.splice(0, count)) {
      this.#sentBytes -= entry.bytes;
      this.#queuedBytes -= entry.bytes;
    }
    this.#highestAcknowledged = ack;
    this.#cursor = Math.max(0, this.#cursor - count);
  }

  #hold(seq: number, { body, bodyBytes: bytes }: ReceivedEnvelope, pathId: PathId): ProtocolFailure | undefined {
    this.#ackPath = pathId;
    if (seq <= this.#taken || this.#incoming.has(seq)) {
      this.#owesAck = true;
      return undefined;
    }
    if (seq > this.#taken + CONTROL_WINDOW_MESSAGES) {
      return failure(ErrorCode.LIMIT_REACHED, `control message ${seq} while ${this.#taken + 1} is awaited`);
    }
    if (this.#incomingBytes + bytes > CONTROL_WINDOW_BYTES) {
      return failure(ErrorCode.LIMIT_REACHED, `control messages of more than ${CONTROL_WINDOW_BYTES} bytes without acknowledgement`);
    }
    this.#incoming.set(seq, { body, bytes });
    this.#incomingBytes += bytes;
    return undefined;
  }
}
