const LEVELS = 256;
/** Of so many turns one goes to a lower level, so that no stream starves. */
const TURNS_PER_LOWER_TURN = 16;
/** Bytes of a turn: about a packet. */
const QUANTUM_BYTES = 16 * 1024;

/**
 * Who sends next to one peer: higher priority first, equal ones take turns of about 16 KiB. spec: STREAM-9
 *
 * Strict priority would let a busy high level silence all others, so one turn of sixteen goes to a lower level, each of them in its turn.
 * Adding, removing, looking and rotating cost the same whatever the number of items.
 */
export class StreamQueue<T> {
  readonly #nodes = new Map<T, Node<T>>();
  /** The item at the front of each level; levels are rings. */
  readonly #fronts: (Node<T> | undefined)[] = new Array<Node<T> | undefined>(LEVELS).fill(undefined);
  /** One bit for each level that has items. */
  readonly #occupied = new Uint32Array(LEVELS / 32);
  #turns = 0;
  /** The level that had the last lower turn. */
  #lowerLevel = LEVELS;
  #turnBytes = 0;
  #current: Node<T> | undefined;

  get size(): number {
    return this.#nodes.size;
  }

  has(item: T): boolean {
    return this.#nodes.has(item);
  }

  /** Puts an item last among its equals; moves it if it is here with another priority. Priorities are cut to 0 … 255. */
  add(item: T, priority: number): void {
    const level = Math.min(Math.max(Math.trunc(priority), 0), LEVELS - 1);
    const known = this.#nodes.get(item);
    if (known !== undefined) {
      if (known.level === level) return;
      this.#unlink(known);
      known.level = level;
      this.#link(known);
      return;
    }
    const node = new Node(item, level);
    this.#nodes.set(item, node);
    this.#link(node);
  }

  remove(item: T): void {
    const node = this.#nodes.get(item);
    if (node === undefined) return;
    this.#nodes.delete(item);
    const hadTurn = node === this.#current;
    this.#unlink(node);
    if (hadTurn) this.#endTurn();
  }

  /** The item whose turn it is; the same one until it is rotated or removed, or a higher one is added. */
  peek(): T | undefined {
    const highest = this.#highestBelow(LEVELS);
    if (highest < 0) return undefined;
    const level = this.#turns === TURNS_PER_LOWER_TURN - 1 ? this.#lowerTurn(highest) : highest;
    const node = this.#fronts[level];
    if (node !== this.#current) this.#turnBytes = 0;
    this.#current = node;
    return node?.item;
  }

  /** The item in front sent `bytes`: after a quantum of them it goes behind its equals. Without a number its turn ends now. */
  rotate(bytes: number = QUANTUM_BYTES): void {
    const node = this.#current;
    if (node === undefined) return;
    this.#turnBytes += bytes;
    if (this.#turnBytes < QUANTUM_BYTES) return;
    this.#fronts[node.level] = node.next;
    this.#endTurn();
  }

  #endTurn(): void {
    if (this.#turns === TURNS_PER_LOWER_TURN - 1) {
      this.#turns = 0;
      this.#lowerLevel = this.#current?.level ?? LEVELS;
    } else this.#turns += 1;
    this.#turnBytes = 0;
    this.#current = undefined;
  }

  /** The next level below the one that had the last lower turn, starting again below the highest. */
  #lowerTurn(highest: number): number {
    let level = this.#highestBelow(Math.min(this.#lowerLevel, highest));
    if (level < 0) level = this.#highestBelow(highest);
    return level < 0 ? highest : level;
  }

  #highestBelow(limit: number): number {
    for (let word = (limit - 1) >> 5; word >= 0; word -= 1) {
      let bits = this.#occupied[word] as number;
      const above = limit - word * 32;
      if (above < 32) bits &= (1 << above) - 1;
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  #link(node: Node<T>): void {
    const front = this.#fronts[node.level];
    if (front === undefined) {
      node.next = node;
      node.previous = node;
      this.#fronts[node.level] = node;
      const word = node.level >> 5;
      this.#occupied[word] = (this.#occupied[word] as number) | (1 << (node.level & 31));
      return;
    }
    node.next = front;
    node.previous = front.previous;
    front.previous.next = node;
    front.previous = node;
  }

  #unlink(node: Node<T>): void {
    if (node.next === node) {
      this.#fronts[node.level] = undefined;
      const word = node.level >> 5;
      this.#occupied[word] = (this.#occupied[word] as number) & ~(1 << (node.level & 31));
      return;
    }
    node.previous.next = node.next;
    node.next.previous = node.previous;
    if (this.#fronts[node.level] === node) this.#fronts[node.level] = node.next;
  }
}

class Node<T> {
  readonly item: T;
  level: number;
  next: Node<T> = this;
  previous: Node<T> = this;

  constructor(item: T, level: number) {
    this.item = item;
    this.level = level;
  }
}
