import type { ReceiveStream } from "kwik";
import { FileRequestError, MAX_LINE_BYTES } from "./file-protocol.ts";

const decoder = new TextDecoder();
const NEWLINE = 0x0a;

/** Reads lines off a stream, and then whatever follows them. */
export class LineReader {
  readonly #stream: Pick<ReceiveStream, "read">;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: Pick<ReceiveStream, "read">) {
    this.#stream = stream;
  }

  /** The next line without its end; undefined at the end of the stream. Rejects with FileRequestError beyond MAX_LINE_BYTES. */
  async line(): Promise<string | undefined> {
    let pending = this.#rest;
    let searched = 0;
    for (;;) {
      const end = pending.indexOf(NEWLINE, searched);
      if (end > MAX_LINE_BYTES || (end < 0 && pending.length > MAX_LINE_BYTES)) {
        throw new FileRequestError("bad-request", `a line is longer than ${MAX_LINE_BYTES} bytes`);
      }
      if (end >= 0) {
        this.#rest = pending.subarray(end + 1);
        return decoder.decode(pending.subarray(0, end));
      }
      searched = pending.length;
      const more = await this.#stream.read();
      if (more === null) {
        this.#rest = new Uint8Array(0);
        return pending.length === 0 ? undefined : decoder.decode(pending);
      }
      pending = joined(pending, more);
    }
  }

  /** The next bytes after the lines that were read; null at the end. */
  async read(): Promise<Uint8Array | null> {
    if (this.#rest.length === 0) return this.#stream.read();
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
