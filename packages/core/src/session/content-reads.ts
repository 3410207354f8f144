import { type ContentServer, ErrorCode, type SessionEvent } from "@kwik/proto";
import type { ContentRequest, ContentSource, ContentStore } from "../api/content.ts";
import { KwikError } from "../api/errors.ts";
import type { HookName } from "../api/stats.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import type { Turn, TurnShare } from "../server/fair-turns.ts";

/** One opening of a content, and what it came to. */
interface Opening {
  readonly source: Promise<ContentSource | undefined>;
  /** Reads that are under way on it, or wait for it. */
  readers: number;
  /** It is kept no more: the last of its readers closes it. */
  isForgotten: boolean;
}

/** A source on offer by its id: one that `isAsked`, else another version, if there is one. */
type FindOffered = (contentId: string, isAsked: (source: ContentSource) => boolean) => ContentSource | undefined;

type ReadWanted = Extract<SessionEvent, { type: "content-read" }>;

/** Sources that stay open between reads, at most, per session. Those that are being read are not closed: reads under way are few (CONTENT-16). */
const MAX_OPEN_SOURCES = 32;

/** Calls of `ContentStore.open` under way at once, at most, per session; further contents wait for their turn, also for one of those of all sessions. A client may ask for any id, and each may cost a store a request to elsewhere. */
const MAX_OPENINGS = 16;

/** Reads what the client asked of this server's contents. */
export class ContentReads {
  readonly #driver: SessionDriver;
  readonly #server: ContentServer;
  readonly #store: ContentStore | undefined;
  readonly #request: () => ContentRequest;
  readonly #offered: FindOffered;
  readonly #open = new Map<string, Opening>();
  /** Begin to open contents that wait for their turn. */
  readonly #waiting: ((turn: Turn | undefined) => void)[] = [];
  readonly #turns: TurnShare;
  readonly #onFault: (hook: HookName, why: string) => void;
  readonly #timeoutMs: number;
  /** Of the reads under way. */
  readonly #timers = new Set<unknown>();
  #openings = 0;
  #isClosed = false;

  /** `request` says for whom contents are opened; `turns` are this session's part in the openings of all; `onFault` is told what a store or a source says when it fails. */
  constructor(
    driver: SessionDriver,
    server: ContentServer,
    store: ContentStore | undefined,
    request: () => ContentRequest,
    offered: FindOffered,
    turns: TurnShare,
    onFault: (hook: HookName, why: string) => void,
    timeoutMs: number,
  ) {
    this.#driver = driver;
    this.#server = server;
    this.#store = store;
    this.#request = request;
    this.#offered = offered;
    this.#turns = turns;
    this.#onFault = onFault;
    this.#timeoutMs = timeoutMs;
  }

  handle(event: ReadWanted): void {
    const { runtime } = this.#driver;
    // One that is never answered would keep its place for good, and eight of them all places of the session. What comes late is dropped.
    const timer = runtime.setTimer(() => {
      this.#timers.delete(timer);
      this.#onFault("ContentSource.read", `"${event.contentId}": no answer within ${this.#timeoutMs} ms`);
      this.#refuse(event, ErrorCode.INTERNAL_ERROR, "reading took too long", "");
    }, this.#timeoutMs);
    this.#timers.add(timer);
    const ended = (): void => {
      runtime.clearTimer(timer);
      this.#timers.delete(timer);
    };
    this.#read(event)
      .finally(ended)
      .then(
        () => this.#driver.schedule(),
        (error: unknown) => {
          // What a disk says is for who owns it: the client may be anybody.
          this.#onFault("ContentSource.read", `"${event.contentId}": ${KwikError.from(error).message}`);
          this.#refuse(event, ErrorCode.INTERNAL_ERROR, "reading failed", "");
        },
      );
  }

  /** Lets go of everything that is open, and opens nothing any more: reads that were asked for before may still come. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) this.#driver.runtime.clearTimer(timer);
    this.#timers.clear();
    for (const opening of this.#open.values()) closeQuietly(opening.source);
    this.#open.clear();
    this.#turns.leave();
    for (const begin of this.#waiting.splice(0)) begin(undefined);
  }

  async #read(event: ReadWanted): Promise<void> {
    const { contentId } = event;
    const offered = this.#offered(contentId, (source) => isAsked(source, event));
    if (offered !== undefined && isAsked(offered, event)) return this.#answer(event, offered);
    const isKept = this.#open.has(contentId);
    // What was opened before may have become another version meanwhile: it is opened anew then, once.
    for (let isLast = !isKept; ; isLast = true) {
      const opening = this.#taken(contentId);
      if (opening === undefined) return this.#answer(event, offered);
      try {
        const source = await opening.source;
        const isUsable = source === undefined || isAsked(source, event);
        // Another version is not kept.
        if (!isUsable) this.#forget(contentId, opening);
        if (isUsable || isLast) {
          await this.#answer(event, source ?? offered);
          return;
        }
      } finally {
        this.#release(opening);
      }
    }
  }

  async #answer(event: ReadWanted, source: ContentSource | undefined): Promise<void> {
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
    this.#server.handleRead(event.requestId, event.offset, data);
  }

  #refuse(event: ReadWanted, code: ErrorCode, reason: string, version: string): void {
    this.#server.handleReadFailed(event.requestId, event.offset, code, reason, version);
    this.#driver.schedule();
  }

  /** The opening of a content with one reader more, which `#release` takes away; undefined where nothing can be opened. */
  #taken(contentId: string): Opening | undefined {
    const opening = this.#open.get(contentId) ?? this.#begin(contentId);
    if (opening === undefined) return undefined;
    opening.readers += 1;
    this.#closeIdle();
    return opening;
  }

  #begin(contentId: string): Opening | undefined {
    const store = this.#store;
    if (store === undefined || this.#isClosed) return undefined;
    const source = new Promise<ContentSource | undefined>((resolve) =>
      this.#waiting.push((turn) => resolve(turn === undefined ? undefined : this.#openNow(store, contentId, turn))),
    );
    const opening: Opening = { source, readers: 0, isForgotten: false };
    this.#open.set(contentId, opening);
    this.#beginWaiting();
    // What could not be opened is tried anew the next time.
    void source.then((opened) => {
      if (opened === undefined) this.#forget(contentId, opening);
    });
    return opening;
  }

  #beginWaiting(): void {
    while (this.#openings < MAX_OPENINGS && this.#waiting.length > 0) {
      // One that takes long goes on: only its turn is over.
      const turn = this.#turns.begin(() => undefined);
      if (turn === undefined) {
        this.#turns.wait(() => this.#beginWaiting());
        return;
      }
      this.#waiting.shift()?.(turn);
    }
  }

  async #openNow(store: ContentStore, contentId: string, turn: Turn): Promise<ContentSource | undefined> {
    this.#openings += 1;
    try {
      return await store.open(contentId, this.#request());
    } catch (error) {
      // A store that fails has nothing here.
      this.#onFault("ContentStore.open", `"${contentId}": ${KwikError.from(error).message}`);
      return undefined;
    } finally {
      this.#openings -= 1;
      turn.end();
      if (!this.#isClosed) this.#beginWaiting();
    }
  }

  /** It is not given to further reads, and closed when those that have it are done. */
  #forget(contentId: string, opening: Opening): void {
    if (this.#open.get(contentId) !== opening) return;
    this.#open.delete(contentId);
    opening.isForgotten = true;
    if (opening.readers === 0) closeQuietly(opening.source);
  }

  #release(opening: Opening): void {
    opening.readers -= 1;
    if (opening.isForgotten && opening.readers === 0) closeQuietly(opening.source);
    this.#closeIdle();
  }

  /** Closes the oldest sources beyond the limit that nobody reads. */
  #closeIdle(): void {
    for (const [contentId, opening] of this.#open) {
      if (this.#open.size <= MAX_OPEN_SOURCES) return;
      if (opening.readers === 0) this.#forget(contentId, opening);
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
