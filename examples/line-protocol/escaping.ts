import { Refusal } from "./refusal.ts";

const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const LETTER_N = 0x6e;
const LETTER_R = 0x72;

/** LINE-12: a payload in escaped form. At most twice as long, and without a line feed. */
export function escapePayload(payload: Uint8Array): Uint8Array {
  let extra = 0;
  for (const byte of payload) if (letterOf(byte) !== 0) extra += 1;
  if (extra === 0) return payload;
  const escaped = new Uint8Array(payload.length + extra);
  let at = 0;
  for (const byte of payload) {
    const letter = letterOf(byte);
    if (letter !== 0) escaped[at++] = BACKSLASH;
    escaped[at++] = letter === 0 ? byte : letter;
  }
  return escaped;
}

/** Undoes the escaping piece by piece: a backslash may end one piece and its letter begin the next. */
export class Unescaper {
  #isAfterBackslash = false;

  /** Whether a letter is owed. */
  get isInsideEscape(): boolean {
    return this.#isAfterBackslash;
  }

  /** The bytes that `piece` stands for; a view of it where nothing was escaped. Throws BAD_ESCAPE. */
  unescape(piece: Uint8Array): Uint8Array {
    if (!this.#isAfterBackslash && !piece.includes(BACKSLASH)) return piece;
    const bytes = new Uint8Array(piece.length);
    let length = 0;
    for (const byte of piece) {
      if (this.#isAfterBackslash) {
        bytes[length++] = byteOf(byte);
        this.#isAfterBackslash = false;
      } else if (byte === BACKSLASH) this.#isAfterBackslash = true;
      else bytes[length++] = byte;
    }
    return bytes.subarray(0, length);
  }
}

/** The letter after the backslash; 0 for a byte that stands for itself. */
function letterOf(byte: number): number {
  if (byte === BACKSLASH) return BACKSLASH;
  if (byte === LINE_FEED) return LETTER_N;
  return byte === CARRIAGE_RETURN ? LETTER_R : 0;
}

function byteOf(letter: number): number {
  if (letter === BACKSLASH) return BACKSLASH;
  if (letter === LETTER_N) return LINE_FEED;
  if (letter === LETTER_R) return CARRIAGE_RETURN;
  throw new Refusal("BAD_ESCAPE");
}
