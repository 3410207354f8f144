/** Finds the end of a head in pieces of a stream: what Node's parser is given is a whole one. */
export class HeadReader {
  readonly #maxBytes: number;
  #held: Uint8Array[] = [];
  #bytes = 0;
  /** How much of CR LF CR LF the last bytes are. */
  #matched = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** How many bytes of `data` belong to the head, where it ends in them; undefined where it goes on, "too-long" beyond the limit. */
  take(data: Uint8Array): number | undefined | "too-long" {
    const end = this.#endIn(data);
    const part = end === undefined ? data : data.subarray(0, end);
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) {
      this.clear();
      return "too-long";
    }
    this.#held.push(part.slice());
    return end;
  }

  /** The head, and begins anew. */
  clear(): Uint8Array {
    const head = Buffer.concat(this.#held);
    this.#held = [];
    this.#bytes = 0;
    this.#matched = 0;
    return head;
  }

  #endIn(data: Uint8Array): number | undefined {
    for (let at = 0; at < data.length; at += 1) {
      const byte = data[at];
      if (byte === (this.#matched % 2 === 0 ? 0x0d : 0x0a)) this.#matched += 1;
      else this.#matched = byte === 0x0d ? 1 : 0;
      if (this.#matched === 4) return at + 1;
    }
    return undefined;
  }
}
