/** So many bytes for all sessions of a listener together. */
export class BytePool {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What one session takes of it; all of that comes back with `giveBack`. */
  share(): { take(bytes: number): boolean; giveBack(): void } {
    let taken = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#maxBytes) return false;
        this.#bytes += bytes;
        taken += bytes;
        return true;
      },
      giveBack: () => {
        this.#bytes -= taken;
        taken = 0;
      },
    };
  }
}
