/** What the first bytes on a stream ask of the measuring server. */
export const Ask = {
  /** Send `count` bytes and end. */
  download: 1,
  /** Take `count` bytes, then answer one byte and end. */
  upload: 2,
  /** Send back whatever comes. */
  echo: 3,
  /** Answer one byte and end. */
  answer: 4,
} as const;

export type Ask = (typeof Ask)[keyof typeof Ask];

/** Length of a request. */
export const REQUEST_BYTES = 9;

/** Bytes of one write of the bulk measurements. */
export const BLOCK_BYTES = 64 * 1024;

/** Bytes that one read of the bulk measurements takes at most. */
export const READ_BYTES = 64 * 1024;

/** A request as the first bytes of a stream. */
export function encodeRequest(ask: Ask, count: number): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  bytes[0] = ask;
  new DataView(bytes.buffer).setFloat64(1, count);
  return bytes;
}

/** Collects the request from the first bytes of a stream; `rest` is what came after it. */
export class RequestReader {
  readonly #bytes = new Uint8Array(REQUEST_BYTES);
  #length = 0;

  push(data: Uint8Array): { readonly ask: number; readonly count: number; readonly rest: Uint8Array } | undefined {
    const taken = Math.min(REQUEST_BYTES - this.#length, data.length);
    this.#bytes.set(data.subarray(0, taken), this.#length);
    this.#length += taken;
    if (this.#length < REQUEST_BYTES) return undefined;
    return { ask: this.#bytes[0] as number, count: new DataView(this.#bytes.buffer).getFloat64(1), rest: data.subarray(taken) };
  }
}
