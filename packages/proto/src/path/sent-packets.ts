import type { Instant } from "../base/time.ts";

/** A packet that went out on a path and is not acknowledged. `F` is what the session remembers of a frame. */
export interface SentPacket<F> {
  readonly number: number;
  readonly sentAt: Instant;
  /** Size as handed to the link. */
  readonly bytes: number;
  readonly frames: readonly F[];
  /** Its frames are to go out, or went out, once more; the packet itself is still waited for. */
  isResent: boolean;
  /** A copy of it went out on another path; this one is still what is counted on. */
  isCopied: boolean;
}

/** Packets in flight on one path, by ascending number. Every operation costs as much as it touches, not as much as is in flight. */
export class SentPackets<F> {
  #head: Node<F> | undefined;
  #tail: Node<F> | undefined;
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** The packet with the lowest number, which was also sent first. */
  get oldest(): SentPacket<F> | undefined {
    return this.#head;
  }

  /** Numbers must ascend; gaps are allowed. */
  append(number: number, sentAt: Instant, bytes: number, frames: readonly F[], isResent = false): void {
    const tail = this.#tail;
    if (tail !== undefined && number <= tail.number) throw new Error(`packet ${number} after ${tail.number}`);
    const node = new Node(number, sentAt, bytes, frames, isResent, tail);
    if (tail === undefined) this.#head = node;
    else tail.next = node;
    this.#tail = node;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /**
   * Takes out the packets whose numbers lie in `ranges` (pairs of first and last number, descending); `acked` then holds them and nothing else,
   * ascending. Numbers that are not in flight are passed over. Costs O(ranges + acknowledged + holes below the largest).
   */
  acknowledge(ranges: readonly number[], acked: SentPacket<F>[]): void {
    let node = this.#head;
    let index = ranges.length - 2;
    let count = 0;
    while (node !== undefined && index >= 0) {
      if (node.number > (ranges[index + 1] as number)) {
        index -= 2;
        continue;
      }
      const next: Node<F> | undefined = node.next;
      if (node.number >= (ranges[index] as number)) {
        this.#unlink(node);
        acked[count] = node;
        count += 1;
      }
      node = next;
    }
    // Emptying it first would allocate for every acknowledgement.
    if (acked.length > count) acked.length = count;
  }

  /** All packets in flight, ascending. The one in hand may be taken out while iterating. */
  *unacknowledged(): IterableIterator<SentPacket<F>> {
    let node = this.#head;
    while (node !== undefined) {
      const next: Node<F> | undefined = node.next;
      yield node;
      node = next;
    }
  }

  /** Empties the collection; ascending. */
  takeAll(): SentPacket<F>[] {
    const all: SentPacket<F>[] = [];
    let node = this.#head;
    while (node !== undefined) {
      const next: Node<F> | undefined = node.next;
      node.next = undefined;
      node.previous = undefined;
      all.push(node);
      node = next;
    }
    this.#head = undefined;
    this.#tail = undefined;
    this.#count = 0;
    this.#bytes = 0;
    return all;
  }

  #unlink(node: Node<F>): void {
    if (node.previous === undefined) this.#head = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#tail = node.previous;
    else node.next.previous = node.previous;
    node.next = undefined;
    node.previous = undefined;
    this.#count -= 1;
    this.#bytes -= node.bytes;
  }
}

class Node<F> implements SentPacket<F> {
  readonly number: number;
  readonly sentAt: Instant;
  readonly bytes: number;
  readonly frames: readonly F[];
  isResent: boolean;
  isCopied = false;
  next: Node<F> | undefined = undefined;
  previous: Node<F> | undefined;

  constructor(number: number, sentAt: Instant, bytes: number, frames: readonly F[], isResent: boolean, previous: Node<F> | undefined) {
    this.number = number;
    this.sentAt = sentAt;
    this.bytes = bytes;
    this.frames = frames;
    this.isResent = isResent;
    this.previous = previous;
  }
}
