import { Unescaper } from "./escaping.ts";
import { MAX_HEAD_BYTES } from "./limits.ts";
import type { PayloadForm } from "./payload-form.ts";
import { Refusal } from "./refusal.ts";

const BAR = 0x7c;
const COLON = 0x3a;
const LINE_FEED = 0x0a;
const DECIMAL = /^(0|[1-9][0-9]{0,9})$/;
const FIRST_PAYLOAD_BYTES = 1024;

/** A frame as it was written; the numbers are not looked at yet. The payload is a copy that belongs to the receiver. */
export interface Frame {
  readonly kind: "frame";
  readonly item: string;
  readonly chunk: string;
  readonly total: string;
  readonly payload: Uint8Array;
}

/** A line with fewer than three bars: SESSION, FORM, or a mistake. */
export interface ShortLine {
  readonly kind: "line";
  readonly text: string;
}

/**
 * Makes lines and frames of a connection's bytes, however they are cut. Holds at most one head and one payload, copied: a view of a received
 * buffer would keep all of that buffer, and a peer that sends single bytes would have 64 KiB kept for each.
 */
export class FrameDecoder {
  /** How payloads are written from the next line on. */
  form: PayloadForm = "plain";
  readonly #maxChunkBytes: number;
  readonly #head = new Uint8Array(MAX_HEAD_BYTES);
  #headLength = 0;
  #bars = 0;
  #part: "head" | "payload length" | "payload" | "end" = "head";
  #fields: readonly [item: string, chunk: string, total: string] = ["", "", ""];
  /** In length form, the bytes of the payload that have not come yet. */
  #missingBytes = 0;
  #payload = new Uint8Array(0);
  #payloadLength = 0;
  #unescaper = new Unescaper();

  constructor(maxChunkBytes: number) {
    this.#maxChunkBytes = maxChunkBytes;
  }

  /** Whether a line has begun and not ended. */
  get isInsideLine(): boolean {
    return this.#part !== "head" || this.#headLength > 0;
  }

  /** Bytes of memory held for the line that is not complete. */
  get heldBytes(): number {
    return this.#head.length + this.#payload.length;
  }

  /** The lines and frames that end in `data`. To be read to the end before the next call. Throws a Refusal, after which it is of no use. */
  *decode(data: Uint8Array): Generator<Frame | ShortLine, void, void> {
    let at = 0;
    while (at < data.length) {
      const rest = data.subarray(at);
      if (this.#part === "head" || this.#part === "payload length") {
        const byte = rest[0] as number;
        at += 1;
        if (this.#part === "payload length") this.#takeLengthByte(byte);
        else if (byte === LINE_FEED) yield this.#shortLine();
        else this.#takeHeadByte(byte);
      } else if (this.#part === "payload" && this.form === "length") {
        const piece = rest.subarray(0, this.#missingBytes);
        at += piece.length;
        this.#keep(piece);
        this.#missingBytes -= piece.length;
        if (this.#missingBytes === 0) this.#part = "end";
      } else if (this.#part === "payload") {
        const end = rest.indexOf(LINE_FEED);
        const piece = end < 0 ? rest : rest.subarray(0, end);
        at += piece.length;
        this.#keep(this.form === "escaped" ? this.#unescaper.unescape(piece) : piece);
        if (end >= 0) this.#part = "end";
      } else {
        at += 1;
        if (rest[0] !== LINE_FEED) throw new Refusal("BAD_LENGTH");
        yield this.#frame();
      }
    }
  }

  #takeHeadByte(byte: number): void {
    if (byte === BAR && (this.#bars += 1) === 3) {
      const [item = "", chunk = "", total = ""] = this.#headText().split("|");
      this.#fields = [item, chunk, total];
      this.#headLength = 0;
      this.#part = this.form === "length" ? "payload length" : "payload";
    } else this.#keepHeadByte(byte);
  }

  #takeLengthByte(byte: number): void {
    if (byte !== COLON) {
      // Anything but a digit will never become a number, and waiting for a colon would only hide the mistake.
      if (byte < 0x30 || byte > 0x39) throw new Refusal("BAD_LENGTH");
      this.#keepHeadByte(byte);
      return;
    }
    const digits = this.#headText();
    if (!DECIMAL.test(digits)) throw new Refusal("BAD_LENGTH");
    this.#missingBytes = Number(digits);
    if (this.#missingBytes > this.#maxChunkBytes) throw new Refusal("CHUNK_TOO_LARGE");
    this.#headLength = 0;
    this.#part = this.#missingBytes === 0 ? "end" : "payload";
  }

  #keepHeadByte(byte: number): void {
    if (this.#headLength === MAX_HEAD_BYTES) throw new Refusal("LINE_TOO_LONG");
    this.#head[this.#headLength++] = byte;
  }

  #keep(piece: Uint8Array): void {
    const length = this.#payloadLength + piece.length;
    if (length > this.#maxChunkBytes) throw new Refusal("CHUNK_TOO_LARGE");
    if (length > this.#payload.length) {
      const larger = new Uint8Array(Math.min(this.#maxChunkBytes, Math.max(FIRST_PAYLOAD_BYTES, length, this.#payload.length * 2)));
      larger.set(this.#payload.subarray(0, this.#payloadLength));
      this.#payload = larger;
    }
    this.#payload.set(piece, this.#payloadLength);
    this.#payloadLength = length;
  }

  #shortLine(): ShortLine {
    const text = this.#headText();
    this.#startLine();
    return { kind: "line", text };
  }

  #frame(): Frame {
    if (this.#unescaper.isInsideEscape) throw new Refusal("BAD_ESCAPE");
    const [item, chunk, total] = this.#fields;
    const payload = this.#payload.slice(0, this.#payloadLength);
    this.#startLine();
    return { kind: "frame", item, chunk, total, payload };
  }

  #startLine(): void {
    this.#part = "head";
    this.#headLength = 0;
    this.#bars = 0;
    this.#payload = new Uint8Array(0);
    this.#payloadLength = 0;
  }

  #headText(): string {
    return Buffer.from(this.#head.buffer, 0, this.#headLength).toString();
  }
}
