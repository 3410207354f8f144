import type { Instant } from "../base/time.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import type { SentFrame } from "./sent-frame.ts";

/**
 * A small frame that waits for the next packet to its peer, and comes back when the path it went on is lost. It is encoded
 * from the facts as they are then, so one that was overtaken carries the newer number.
 */
export interface OutgoingFrame extends SentFrame {
  /** Whether it waits in a queue already. */
  isQueued: boolean;
  /** Upper bound of its encoded size, in bytes. */
  readonly encodedBytes: number;
  /** Writes the frame; false if it is no longer needed. */
  encode(encoder: PacketEncoder, now: Instant): boolean;
}

/** First in, first out, each frame at most once. */
export class OutgoingFrames {
  #frames: OutgoingFrame[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#frames.length;
  }

  get length(): number {
    return this.#frames.length - this.#head;
  }

  push(frame: OutgoingFrame): void {
    if (frame.isQueued) return;
    frame.isQueued = true;
    this.#frames.push(frame);
  }

  peek(): OutgoingFrame | undefined {
    return this.#frames[this.#head];
  }

  shift(): OutgoingFrame | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    frame.isQueued = false;
    this.#head += 1;
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }

  clear(): void {
    while (this.shift() !== undefined);
  }
}
