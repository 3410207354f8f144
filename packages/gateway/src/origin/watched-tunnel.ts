import { createHash } from "node:crypto";
import { type ContentOptions, type ContentSource, KwikError } from "@kwik/core";
import type { TunnelEnd } from "@kwik/splice";
import { BodyHashes } from "./body-hashes.ts";
import { HeadReader } from "./head-reader.ts";
import { parseRequestHead, parseResponseHead } from "./http-head.ts";
import { type OriginContent, TRIAL_BYTES, versionOf } from "./origin-content.ts";
import { bodyBytes, isBareGet, isLast, replicableRequest, replicableResponse } from "./replicable.ts";

/** A tunnel that can carry a content. */
export interface ContentTunnel extends TunnelEnd {
  sendContent(source: ContentSource, options?: ContentOptions): Promise<void>;
}

export interface WatchOptions {
  readonly minReplicatedBytes: number;
  readonly maxHeadBytes: number;
  readonly maxHashedAheadBytes: number;
  /** A content that has not moved for so long is at rest, in milliseconds. 0: never. */
  readonly idleTimeoutMs: number;
  /** Asks this gateway's origin for the first range. Rejects where there is none. */
  readonly trial: (host: string, path: string) => Promise<OriginContent>;
  readonly onOffered: (source: ContentSource) => void;
  /** A response that looked as if it could be offered passes as it is. */
  readonly onPassed: (reason: string) => void;
  /** All hashes of a content that is under way are on their way to the client: it can go on without this gateway. */
  readonly onHashed: (source: ContentSource) => void;
  /** A content that was offered is over; undefined if the client has all of it. */
  readonly onOver: (source: ContentSource, error: KwikError | undefined) => void;
}

interface Asked {
  /** What any replica could answer; undefined for other requests. */
  readonly name: { readonly host: string; readonly path: string } | undefined;
  readonly isLast: boolean;
}

/** A response whose first block is held until it is known whether the origin gives ranges of it. */
interface Trial {
  readonly source: Promise<OriginContent | undefined>;
  readonly etag: string;
  readonly length: number;
  readonly isLast: boolean;
  readonly held: Uint8Array[];
  heldBytes: number;
}

/**
 * A tunnel to an origin, as seen by whoever joins it with the origin's connection. Every byte passes unchanged and in order, but for the body of a response that replicas have as well:
 * that one is hashed here, and goes to the client as a content. What cannot be told apart for sure makes the whole connection pass as it is from there on.
 */
export class WatchedTunnel implements TunnelEnd {
  readonly #tunnel: ContentTunnel;
  readonly #options: WatchOptions;
  readonly #requestHead: HeadReader;
  readonly #responseHead: HeadReader;
  /** Nothing is looked at any more. */
  #isPassing = false;
  #asked: Asked | undefined;
  /** Bytes of a body that still pass, or still are hashed. */
  #bodyBytes = 0;
  #trial: Trial | undefined;
  #hashes: BodyHashes | undefined;
  /** Contents that are under way, each until the client has it: the next may be asked for before. Each is hashed whole before the next one is looked at. */
  readonly #sending = new Set<Promise<void>>();
  #sendError: KwikError | undefined;
  /** The stream ends with the content. */
  #hasEnded = false;
  /** Ranges of a content that are being read for the client. */
  #reads = 0;
  #movedAtMs = 0;
  #turns = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(tunnel: ContentTunnel, options: WatchOptions) {
    this.#tunnel = tunnel;
    this.#options = options;
    this.#requestHead = new HeadReader(options.maxHeadBytes);
    this.#responseHead = new HeadReader(options.maxHeadBytes);
  }

  /** A content travels by itself, while the origin's connection rests: ranges are being read, or the client took something not long ago. */
  get isBusy(): boolean {
    if (this.#sending.size === 0) return false;
    return this.#reads > 0 || performance.now() - this.#movedAtMs < this.#options.idleTimeoutMs;
  }

  async read(): Promise<Uint8Array | null> {
    const data = await this.#tunnel.read();
    // Known before the origin has the request, and so before it can answer.
    if (data !== null && !this.#isPassing) await this.#observe(data);
    return data;
  }

  write(data: Uint8Array): Promise<void> {
    if (this.#isPassing && this.#turns === 0) return this.#tunnel.write(data);
    return this.#inTurn(() => this.#take(data));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#endTrial("the origin ended the connection")).then(() => {
      this.#hashes?.stop();
      return this.#tunnel.close();
    });
  }

  flushed(): Promise<void> {
    return this.#inTurn(() => this.#endTrial("the origin broke the connection off")).then(() => {
      this.#hashes?.stop();
      return this.#tunnel.flushed();
    });
  }

  /** The origin's connection broke off. A content does not need it: it is read in ranges. */
  reset(code: number): void {
    if (this.#sending.size === 0) this.#tunnel.reset(code);
    else void Promise.all(this.#sending).then(() => this.#tunnel.reset(code));
  }

  stopReading(code: number): void {
    this.#tunnel.stopReading(code);
  }

  abort(code: number): void {
    this.#hashes?.stop();
    this.#tunnel.abort(code);
  }

  /** One after the other, in the order in which they came. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    this.#turns += 1;
    const turn = this.#turn.then(act).finally(() => (this.#turns -= 1));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #observe(data: Uint8Array): Promise<void> {
    // More than one request at once, or bytes of no request: whose answer comes when is not looked at.
    const end = this.#asked === undefined ? this.#requestHead.take(data) : "too-long";
    if (end === undefined) return;
    if (end === "too-long" || end < data.length) {
      this.#pass();
      return;
    }
    const head = await parseRequestHead(this.#requestHead.clear(), this.#options.maxHeadBytes);
    if (head === undefined || !isBareGet(head)) this.#pass();
    else this.#asked = { name: replicableRequest(head), isLast: isLast(head) };
  }

  /** A response that is on trial, or sent as a content, is finished as such. */
  #pass(): void {
    this.#isPassing = true;
  }

  async #take(data: Uint8Array): Promise<void> {
    for (let rest = data; rest.length > 0; ) {
      // An origin that said it would close has nothing to say behind its body.
      if (this.#hasEnded && this.#hashes === undefined) return;
      if (this.#trial !== undefined) rest = await this.#hold(this.#trial, rest);
      else if (this.#hashes !== undefined) rest = await this.#hashPart(this.#hashes, rest);
      else if (this.#isPassing) return this.#tunnel.write(rest);
      else if (this.#bodyBytes > 0) rest = await this.#passBody(rest);
      else rest = await this.#takeHead(rest);
    }
  }

  async #takeHead(data: Uint8Array): Promise<Uint8Array> {
    const asked = this.#asked;
    if (asked === undefined) return this.#passFrom(data);
    const end = this.#responseHead.take(data);
    await this.#tunnel.write(typeof end === "number" ? data.subarray(0, end) : data);
    if (end === undefined) return data.subarray(data.length);
    if (end === "too-long") return this.#passFrom(data.subarray(data.length));
    const head = await parseResponseHead(this.#responseHead.clear(), this.#options.maxHeadBytes);
    const length = head === undefined ? undefined : bodyBytes(head);
    const rest = data.subarray(end);
    if (head === undefined || length === undefined) return this.#passFrom(rest);
    const found = asked.name === undefined ? undefined : replicableResponse(head, this.#options.minReplicatedBytes);
    this.#bodyBytes = length;
    if (length === 0) this.#asked = undefined;
    if (found === undefined || asked.name === undefined || this.#isPassing) return rest;
    const { host, path } = asked.name;
    const source = this.#options.trial(host, path).catch((error: unknown) => {
      this.#options.onPassed(KwikError.from(error).message);
      return undefined;
    });
    this.#trial = { source, ...found, isLast: asked.isLast || isLast(head), held: [], heldBytes: 0 };
    return rest;
  }

  #passFrom(rest: Uint8Array): Uint8Array {
    this.#pass();
    return rest;
  }

  async #passBody(data: Uint8Array): Promise<Uint8Array> {
    const part = data.subarray(0, this.#bodyBytes);
    this.#bodyBytes -= part.length;
    if (this.#bodyBytes === 0) this.#asked = undefined;
    await this.#tunnel.write(part);
    return data.subarray(part.length);
  }

  /** Holds the first block, then decides. */
  async #hold(trial: Trial, data: Uint8Array): Promise<Uint8Array> {
    const part = data.subarray(0, TRIAL_BYTES - trial.heldBytes);
    trial.held.push(part);
    trial.heldBytes += part.length;
    if (trial.heldBytes < TRIAL_BYTES) return data.subarray(part.length);
    const block = Buffer.concat(trial.held);
    const source = await trial.source;
    const first = createHash("sha256").update(block).digest();
    const isSame = source?.version === versionOf(trial.etag, first) && source.length === BigInt(trial.length);
    if (source === undefined || !isSame) await this.#endTrial("the origin gives a range of something else");
    else this.#offer(trial, source, block);
    return data.subarray(part.length);
  }

  #offer({ length, isLast: isEnd }: Trial, source: OriginContent, block: Uint8Array): void {
    let isOver = false;
    const hashes = new BodyHashes(() => {
      if (!isOver) this.#options.onHashed(source);
    });
    hashes.update(block);
    this.#trial = undefined;
    this.#hashes = hashes;
    this.#hasEnded = isEnd;
    this.#bodyBytes = length - block.length;
    this.#options.onOffered(source);
    const content: ContentSource = {
      id: source.id,
      version: source.version,
      length: source.length,
      read: (offset, bytes) => this.#readRange(source, offset, bytes),
      hashesFrom: () => hashes,
    };
    const over = (error: KwikError | undefined): void => {
      isOver = true;
      this.#sending.delete(sending);
      this.#sendError ??= error;
      hashes.stop();
      this.#options.onOver(source, error);
    };
    const onProgress = (): void => void (this.#movedAtMs = performance.now());
    onProgress();
    const options = { end: isEnd, hashesAheadBytes: this.#options.maxHashedAheadBytes, onProgress };
    const sending = this.#tunnel.sendContent(content, options).then(
      () => over(undefined),
      (error: unknown) => over(KwikError.from(error)),
    );
    this.#sending.add(sending);
  }

  async #readRange(source: OriginContent, offset: bigint, bytes: number): Promise<Uint8Array> {
    this.#reads += 1;
    try {
      return await source.read(offset, bytes);
    } finally {
      this.#reads -= 1;
      this.#movedAtMs = performance.now();
    }
  }

  async #hashPart(hashes: BodyHashes, data: Uint8Array): Promise<Uint8Array> {
    await hashes.room();
    // As a write that fails: whoever joins the tunnel with the origin ends both.
    if (this.#sendError !== undefined) throw this.#sendError;
    const part = data.subarray(0, this.#bodyBytes);
    this.#bodyBytes -= part.length;
    hashes.update(part);
    if (this.#bodyBytes === 0) {
      hashes.finish();
      this.#hashes = undefined;
      this.#asked = undefined;
    }
    return data.subarray(part.length);
  }

  /** What is held passes as it is. */
  async #endTrial(reason: string): Promise<void> {
    const trial = this.#trial;
    if (trial === undefined) return;
    this.#trial = undefined;
    this.#bodyBytes = trial.length - trial.heldBytes;
    if ((await trial.source) !== undefined) this.#options.onPassed(reason);
    if (this.#bodyBytes === 0) this.#asked = undefined;
    for (const part of trial.held) await this.#tunnel.write(part);
  }
}
