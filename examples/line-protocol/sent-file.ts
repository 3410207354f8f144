import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { ExitStatus, ProgramError } from "./exit-status.ts";
import { isItemName } from "./item-name.ts";
import { plainChunkLength, plainObstacle } from "./plain-text.ts";

/** A file that is to be sent, read once before: its hash, and whether and how it can go in plain form. Chunks are read when they are sent. */
export class SentFile {
  readonly item: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Why the plain form cannot carry it, in words. */
  readonly obstacle: string | undefined;
  readonly #path: string;
  readonly #chunkBytes: number;
  /** Where plain chunks begin, which is not always at a multiple of the chunk's size. */
  readonly #plainStarts: readonly number[];
  #isPlain = false;

  private constructor(path: string, chunkBytes: number, scan: Scan) {
    this.item = basename(path);
    this.bytes = scan.bytes;
    this.sha256 = scan.sha256;
    this.obstacle = scan.obstacle;
    this.#path = path;
    this.#chunkBytes = chunkBytes;
    this.#plainStarts = scan.plainStarts;
  }

  /** Reads the file once. Rejects with a ProgramError or the system's error. */
  static async scan(path: string, chunkBytes: number): Promise<SentFile> {
    if (!isItemName(basename(path))) throw new ProgramError(ExitStatus.usage, `${path}: an item cannot have this name`);
    return new SentFile(path, chunkBytes, await scanFile(path, chunkBytes));
  }

  /** Number of chunks; an empty file is one empty chunk (LINE-7). */
  get total(): number {
    return this.#isPlain ? this.#plainStarts.length : Math.max(1, Math.ceil(this.bytes / this.#chunkBytes));
  }

  /** Cuts between characters from now on. */
  cutForPlain(): void {
    this.#isPlain = true;
  }

  /** Reads one chunk. Rejects if the file became shorter. */
  async chunk(index: number): Promise<Uint8Array> {
    const start = this.#startOf(index);
    const bytes = new Uint8Array(this.#startOf(index + 1) - start);
    const file = await open(this.#path);
    try {
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      if (bytesRead === bytes.length) return bytes;
      throw new ProgramError(ExitStatus.local, `${this.#path} became shorter while it was sent`);
    } finally {
      await file.close();
    }
  }

  #startOf(index: number): number {
    return Math.min(this.bytes, (this.#isPlain ? this.#plainStarts[index] : index * this.#chunkBytes) ?? this.bytes);
  }
}

interface Scan {
  readonly bytes: number;
  readonly sha256: string;
  readonly obstacle: string | undefined;
  readonly plainStarts: readonly number[];
}

async function scanFile(path: string, chunkBytes: number): Promise<Scan> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(chunkBytes);
  const plainStarts = [0];
  let obstacle: string | undefined;
  let at = 0;
  const file = await open(path);
  try {
    while (true) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      let bytes = buffer.subarray(0, bytesRead);
      if (obstacle === undefined) {
        bytes = bytes.subarray(0, plainChunkLength(bytes) || bytes.length);
        obstacle = plainObstacle(bytes);
        if (at > 0) plainStarts.push(at);
      }
      hash.update(bytes);
      at += bytes.length;
    }
  } finally {
    await file.close();
  }
  return { bytes: at, sha256: hash.digest("hex"), obstacle, plainStarts };
}
