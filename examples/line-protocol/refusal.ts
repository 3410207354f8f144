import type { LimitName, Limits } from "./limits.ts";

/** What an error answer says. Ending ones close the connection; those that name an item have its name before the text. */
interface RefusalRow {
  readonly ends: boolean;
  readonly namesItem: boolean;
  /** A limit in braces is written as its number. */
  readonly text: string;
}

const ending = (text: string): RefusalRow => ({ ends: true, namesItem: false, text });
const ofFrame = (text: string): RefusalRow => ({ ends: false, namesItem: false, text });
const ofItem = (text: string): RefusalRow => ({ ends: false, namesItem: true, text });

/** Every error answer of the server. The README has the same table, and a test compares them. */
export const refusalTable = {
  NO_SESSION: ending("the first line must be SESSION|NEW or SESSION|<id>"),
  UNKNOWN_SESSION: ending("there is no such session, or not any more"),
  TOO_MANY_SESSIONS: ending("the server has {maxSessions} sessions already"),
  TOO_MANY_CONNECTIONS: ending("the server has {maxConnections} connections already"),
  UNKNOWN_FORM: ending("the forms are plain, escaped and length"),
  BAD_FRAME: ending("a frame is item|chunk|total|payload"),
  LINE_TOO_LONG: ending("what comes before the payload has at most 256 bytes"),
  CHUNK_TOO_LARGE: ending("a chunk has at most {maxChunkBytes} bytes"),
  BAD_ESCAPE: ending("a backslash is followed by a backslash, n or r"),
  BAD_LENGTH: ending("a payload in length form is a decimal number, a colon, that many bytes and a line feed"),
  CUT_OFF: ending("the connection ended inside a line"),
  LINE_TIMEOUT: ending("a line must be complete within {lineTimeoutMs} ms"),
  IDLE_TIMEOUT: ending("nothing came for {idleTimeoutMs} ms"),
  SHUTTING_DOWN: ending("the server is stopping"),
  BAD_ITEM: ofFrame("an item's name is a file name of 1 to 128 bytes: no path, no control character, no dot in front or at the end"),
  BAD_COUNT: ofItem("chunk and total are decimal numbers, chunk counts from 0 and is below total"),
  TOO_MANY_CHUNKS: ofItem("an item has at most {maxChunksPerItem} chunks"),
  TOO_MANY_ITEMS: ofItem("a session has at most {maxItemsPerSession} items"),
  TOTAL_CHANGED: ofItem("the item began with another total"),
  CHUNK_CHANGED: ofItem("this chunk came before with other bytes"),
  ITEM_TOO_LARGE: ofItem("an item has at most {maxItemBytes} bytes"),
  SESSION_FULL: ofItem("a session holds at most {maxSessionBytes} bytes"),
  SERVER_FULL: ofItem("the server holds at most {maxServerBytes} bytes for all sessions"),
  EXISTS: ofItem("the server has a file of this name and keeps it"),
  NOT_STORED: ofItem("the server could not write the file"),
} as const satisfies Readonly<Record<string, RefusalRow>>;

export type RefusalCode = keyof typeof refusalTable;

/** Thrown where the server does not want what a peer sent; `line` is what the peer is told. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly #item: string | undefined;

  constructor(code: RefusalCode, item?: string) {
    super(code);
    this.name = "Refusal";
    this.code = code;
    this.#item = item;
  }

  /** Whether the connection ends with it. */
  get ends(): boolean {
    return refusalTable[this.code].ends;
  }

  /** The answer, with its line feed. */
  line(limits: Limits): string {
    const text = refusalTable[this.code].text.replace(/\{(\w+)\}/g, (_, name: string) => String(limits[name as LimitName]));
    return `ERROR|${this.code}|${this.#item === undefined ? "" : `${this.#item}|`}${text}\n`;
  }
}

export function isRefusalCode(text: string): text is RefusalCode {
  return Object.hasOwn(refusalTable, text);
}
