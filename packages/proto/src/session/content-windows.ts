import type { ContentFetch } from "../content/content-fetch.ts";
import type { StreamEntry } from "./stream-entry.ts";

/** All contents together hold as much as one may, and four blocks each; up to this many times what one may. */
const MAX_LEAST_WINDOWS = 4;

/** What the contents of a session may hold together: those under way, and those that have come and wait for their reader. spec: CONTENT-14 */
export class ContentWindows {
  readonly #maxWindowBytes: number;
  /** Streams with contents that have come, and where the last of these ends. */
  readonly #come = new Map<StreamEntry, number>();
  #isOneWaiting = false;

  constructor(maxWindowBytes: number) {
    this.#maxWindowBytes = maxWindowBytes;
  }

  /** The content that ends at this offset of a stream is whole; it counts until it was read. */
  hasCome(entry: StreamEntry, endOffset: number): void {
    this.#come.set(entry, Math.max(endOffset, this.#come.get(entry) ?? 0));
  }

  /** Nobody reads the stream any more, or nothing more comes of it. Answers whether others may go on for it. */
  forget(entry: StreamEntry): boolean {
    return this.#come.delete(entry) && this.#isOneWaiting;
  }

  /** Whether contents wait that may go on when this stream is read. */
  mayGoOn(entry: StreamEntry): boolean {
    return this.#isOneWaiting && this.#come.has(entry);
  }

  /** The first contents go on at least; those for which nothing is left wait until others were read. What is under way already still comes. */
  share(contents: readonly ContentFetch[]): void {
    const share = this.#maxWindowBytes / contents.length;
    let left = MAX_LEAST_WINDOWS * this.#maxWindowBytes - this.#unreadBytes();
    this.#isOneWaiting = false;
    for (const content of contents) {
      const bytes = Math.max(share, content.leastWindowBytes);
      if (bytes > left) this.#isOneWaiting = true;
      content.limitWindow(bytes <= left ? bytes : 0);
      left -= bytes;
    }
  }

  #unreadBytes(): number {
    let bytes = 0;
    for (const [entry, endOffset] of this.#come) {
      const { receive } = entry;
      const unread = receive === undefined || entry.isRemoved ? 0 : Math.min(receive.bufferedBytes, endOffset - receive.readOffset);
      if (unread <= 0) this.#come.delete(entry);
      else bytes += unread;
    }
    return bytes;
  }
}
