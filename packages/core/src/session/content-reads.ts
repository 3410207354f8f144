import { ErrorCode, type SessionEvent } from "@kwik/proto";
import type { ContentRequest, ContentSource, ContentStore } from "../api/content.ts";
import { KwikError } from "../api/errors.ts";
import type { SessionDriver } from "../driver/session-driver.ts";

type ReadWanted = Extract<SessionEvent, { type: "content-read" }>;

/** Sources that stay open between reads, at most, per session. Those that are being read are not closed: reads under way are few (CONTENT-16). */
const MAX_OPEN_SOURCES = 32;

/** Calls of `ContentStore.open` under way at once, at most, per session; further contents wait for their turn. A client may ask for any id, and each may cost a store a request to elsewhere. */
const MAX_OPENINGS = 16;

/** Reads what the client asked of this server's contents. */
export class ContentReads {
  readonly #driver: SessionDriver;
  readonly #store: ContentStore | undefined;
  readonly #request: () => ContentRequest;
  readonly #offered: (contentId: string) => ContentSource | undefined;
  readonly #open = new Map<string, Promise<ContentSource | undefined>>();
  /** Reads under way, by content. */
  readonly #readers = new Map<string, number>();
  /** Begin to open contents that wait for their turn. */
  readonly #waiting: (() => void)[] = [];
  #openings = 0;
  #isClosed = false;

  /** `request` says for whom contents are opened. */
  constructor(
    driver: SessionDriver,
    store: ContentStore | undefined,
    request: () => ContentRequest,
    offered: (contentId: string) => ContentSource | undefined,
  ) {
    this.#driver = driver;
    this.#store = store;
    this.#request = request;
    this.#offered = offered;
  }

  handle(event: ReadWanted): void {
    this.#countReader(event.contentId, 1);
    const read = this.#read(event).finally(() => {
      this.#countReader(event.contentId, -1);
      this.#closeIdle();
    });
    read.then(
      () => this.#driver.schedule(),
      (error: unknown) => {
        this.#refuse(event, ErrorCode.INTERNAL_ERROR, `reading failed: ${KwikError.from(error).message}`, "");
      },
    );
  }

  /** Lets go of everything that is open, and opens nothing any more: reads that were asked for before may still come. */
  close(): void {
    this.#isClosed = true;
    for (const source of this.#open.values()) closeQuietly(source);
    this.#open.clear();
    for (const begin of this.#waiting.splice(0)) begin();
  }

  async #read(event: ReadWanted): Promise<void> {
    const source = this.#offered(event.contentId) ?? (await this.#openedAs(event));
    if (source === undefined) {
      this.#refuse(event, ErrorCode.CONTENT_NOT_FOUND, "not here", "");
      return;
    }
    if (!isAsked(source, event)) {
      const words = source.length === BigInt(event.contentLength) ? "another version is here" : `it has ${source.length} bytes here`;
      this.#refuse(event, ErrorCode.CONTENT_VERSION, words, source.version);
      return;
    }
    const data = await source.read(BigInt(event.offset), event.length);
    if (data.length !== event.length)
      throw new KwikError("IO", `"${event.contentId}" gave ${data.length} bytes instead of ${event.length}`);
    this.#driver.session.contentServer.handleRead(event.requestId, event.offset, data);
  }

  #refuse(event: ReadWanted, code: ErrorCode, reason: string, version: string): void {
    this.#driver.session.contentServer.handleReadFailed(event.requestId, event.offset, code, reason, version);
    this.#driver.schedule();
  }

  /** The source in the version that is asked for, if it is here: what was opened before may have become another one meanwhile. Another version is not kept. */
  async #openedAs(event: ReadWanted): Promise<ContentSource | undefined> {
    const { contentId } = event;
    const kept = this.#open.get(contentId);
    const source = await this.#forgetUnless(event, kept ?? this.#opened(contentId));
    if (kept === undefined || source === undefined || isAsked(source, event)) return source;
    return this.#forgetUnless(event, this.#opened(contentId));
  }

  async #forgetUnless(event: ReadWanted, opening: Promise<ContentSource | undefined>): Promise<ContentSource | undefined> {
    const source = await opening;
    if (source !== undefined && !isAsked(source, event) && this.#open.get(event.contentId) === opening) {
      this.#open.delete(event.contentId);
      closeQuietly(opening);
    }
    return source;
  }

  #opened(contentId: string): Promise<ContentSource | undefined> {
    let opening = this.#open.get(contentId);
    const store = this.#store;
    if (opening !== undefined || store === undefined || this.#isClosed) return opening ?? Promise.resolve(undefined);
    opening = new Promise((resolve) => this.#waiting.push(() => resolve(this.#openNow(store, contentId))));
    this.#open.set(contentId, opening);
    this.#beginWaiting();
    // What could not be opened is tried anew the next time.
    void opening.then((source) => {
      if (source === undefined && this.#open.get(contentId) === opening) this.#open.delete(contentId);
    });
    this.#closeIdle();
    return opening;
  }

  #beginWaiting(): void {
    while (this.#openings < MAX_OPENINGS && this.#waiting.length > 0) this.#waiting.shift()?.();
  }

  async #openNow(store: ContentStore, contentId: string): Promise<ContentSource | undefined> {
    if (this.#isClosed) return undefined;
    this.#openings += 1;
    try {
      return await store.open(contentId, this.#request());
    } catch {
      // A store that fails has nothing here.
      return undefined;
    } finally {
      this.#openings -= 1;
      this.#beginWaiting();
    }
  }

  #countReader(contentId: string, change: 1 | -1): void {
    const readers = (this.#readers.get(contentId) ?? 0) + change;
    if (readers > 0) this.#readers.set(contentId, readers);
    else this.#readers.delete(contentId);
  }

  /** Closes the oldest sources beyond the limit that nobody reads. */
  #closeIdle(): void {
    for (const [contentId, source] of this.#open) {
      if (this.#open.size <= MAX_OPEN_SOURCES) return;
      if (this.#readers.has(contentId)) continue;
      this.#open.delete(contentId);
      closeQuietly(source);
    }
  }
}

function isAsked(source: ContentSource, event: ReadWanted): boolean {
  return source.version === event.version && source.length === BigInt(event.contentLength);
}

/** What cannot be closed is of no use any more either. */
function closeQuietly(opening: Promise<ContentSource | undefined>): void {
  opening.then((source) => source?.close?.()).catch(() => undefined);
}
