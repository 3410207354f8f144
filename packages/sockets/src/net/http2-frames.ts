/** What an HTTP/2 client writes first. */
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const PREFACE_BYTES = PREFACE.length;
/** Enough of it to tell: no request of HTTP/1 begins like this. */
const TELLING_BYTES = 14;
const NO_MATCH = -1;

const FRAME_HEAD_BYTES = 9;
const DATA = 0;

/** Tells from the first bytes of a direction whether HTTP/2 begins there, however they are cut. */
export class Http2Preface {
  /** Bytes of the preface that have come. */
  #matched = 0;

  /** How many bytes of the preface had come before `data`, if that tells that it is HTTP/2; undefined if it does not tell yet, or never will. */
  next(data: Uint8Array): number | undefined {
    const before = this.#matched;
    if (before === NO_MATCH) return undefined;
    const length = Math.min(data.length, PREFACE.length - before);
    const isPrefix = PREFACE.compare(data, 0, length, before, before + length) === 0;
    this.#matched = isPrefix ? before + length : NO_MATCH;
    if (this.#matched < TELLING_BYTES) return undefined;
    this.#matched = NO_MATCH;
    return before;
  }
}

/**
 * Finds where the frames of one direction of HTTP/2 begin. Over a stream of JavaScript, `node:http2` hears of all frames of one chunk before it tells
 * anybody of the first: data would come before its response. So a socket gives them one after the other.
 */
export class Http2Frames {
  /** Bytes until the next frame begins. */
  #untilFrame: number;
  /** What came of the next frame's head. */
  readonly #head = Buffer.alloc(FRAME_HEAD_BYTES);
  #headBytes = 0;
  #isInData = false;

  /** How many bytes come before the first frame: the rest of the preface in a client's direction, see `PREFACE_BYTES`; 0 in a server's. */
  constructor(bytesBefore: number) {
    this.#untilFrame = bytesBefore;
  }

  /** The chunk in pieces: frames of data together, every other one on its own. Views, no copies. */
  split(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#untilFrame > 0) {
        const taken = Math.min(this.#untilFrame, chunk.length - at);
        this.#untilFrame -= taken;
        at += taken;
        continue;
      }
      const frameStart = at;
      const isFresh = this.#headBytes === 0;
      const taken = chunk.copy(this.#head, this.#headBytes, at, at + FRAME_HEAD_BYTES - this.#headBytes);
      this.#headBytes += taken;
      at += taken;
      if (this.#headBytes < FRAME_HEAD_BYTES) break;
      this.#headBytes = 0;
      this.#untilFrame = this.#head.readUIntBE(0, 3);
      const isData = this.#head[3] === DATA;
      // A head that began in an earlier chunk cannot be cut off from it any more.
      if (isFresh && frameStart > start && !(isData && this.#isInData)) {
        pieces.push(chunk.subarray(start, frameStart));
        start = frameStart;
      }
      this.#isInData = isData;
    }
    pieces.push(chunk.subarray(start));
    return pieces;
  }
}
