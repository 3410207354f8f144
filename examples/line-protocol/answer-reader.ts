import { parseDecimal } from "./decimal-number.ts";
import { isPayloadForm, type PayloadForm } from "./payload-form.ts";
import { isRefusalCode, refusalTable } from "./refusal.ts";

/** The longest line a server sends is an error with an item's name; a peer that sends more is no such server. */
const MAX_ANSWER_BYTES = 1024;
const LINE_FEED = 0x0a;

/** What a server said in one line. */
export type Answer =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "form"; readonly form: PayloadForm }
  | { readonly kind: "ok"; readonly item: string; readonly bytes: number; readonly sha256: string }
  | { readonly kind: "duplicate"; readonly item: string }
  | { readonly kind: "error"; readonly code: string; readonly item: string | undefined; readonly ends: boolean; readonly text: string }
  | { readonly kind: "unknown"; readonly line: string };

/** Makes answers of the bytes that come from a server, however they are cut. */
export class AnswerReader {
  readonly #line = new Uint8Array(MAX_ANSWER_BYTES);
  #length = 0;

  /** The answers that end in `data`. Throws if a line is longer than any answer is. */
  *read(data: Uint8Array): Generator<Answer, void, void> {
    for (const byte of data) {
      if (byte === LINE_FEED) {
        const line = Buffer.from(this.#line.buffer, 0, this.#length).toString();
        this.#length = 0;
        yield parseAnswer(line);
      } else {
        if (this.#length === MAX_ANSWER_BYTES) throw new Error("the server sends something else than answers");
        this.#line[this.#length++] = byte;
      }
    }
  }
}

/** One line without its line feed. What has no meaning here is "unknown": later servers may say more. */
function parseAnswer(line: string): Answer {
  const [word = "", first = "", second = "", third = "", ...more] = line.split("|");
  if (word === "SESSION" && /^[^|]{1,200}$/.test(line.slice("SESSION|".length))) return { kind: "session", id: first };
  if (word === "FORM" && isPayloadForm(first)) return { kind: "form", form: first };
  const bytes = parseDecimal(second);
  if (word === "OK" && bytes !== undefined && /^[0-9a-f]{64}$/.test(third)) return { kind: "ok", item: first, bytes, sha256: third };
  if (word === "DUPLICATE") return { kind: "duplicate", item: first };
  if (word !== "ERROR") return { kind: "unknown", line };
  const row = isRefusalCode(first) ? refusalTable[first] : undefined;
  if (row?.namesItem !== true) {
    return { kind: "error", code: first, item: undefined, ends: row?.ends ?? true, text: line.slice(`ERROR|${first}|`.length) };
  }
  return { kind: "error", code: first, item: second, ends: false, text: [third, ...more].join("|") };
}
