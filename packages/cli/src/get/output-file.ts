import { createHash, type Hash } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { BLOCK_BYTES } from "../files/file-protocol.ts";
import type { Output } from "./output.ts";

/** Small pieces are written together: a call for each costs more than the bytes. */
const GATHERED_BYTES = 1024 * 1024;

/** A download into a file. An unfinished one stays under the file's own name and is continued by the next run. */
export class OutputFile implements Output {
  readonly label: string;
  readonly existingBytes: number;
  readonly isResumable: boolean;
  readonly #file: FileHandle;
  readonly #isNew: boolean;
  #hash = createHash("sha256");
  /** Up to where bytes were verified and taken. */
  #position = 0;
  /** Up to where they were handed to the file. */
  #writtenTo = 0;
  readonly #gathered: Uint8Array[] = [];
  #writing: Promise<void> = Promise.resolve();
  #mustTruncate: boolean;

  private constructor(label: string, file: FileHandle, existingBytes: number, isRegular: boolean, isNew: boolean) {
    this.label = label;
    this.#file = file;
    this.existingBytes = existingBytes;
    this.isResumable = isRegular;
    this.#isNew = isNew;
    this.#mustTruncate = existingBytes > 0;
  }

  /** Opens or creates the file; nothing in it is changed yet. Rejects with CommandError. */
  static async open(path: string): Promise<OutputFile> {
    try {
      const before = await stat(path).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      });
      if (before?.isDirectory() === true) {
        throw new CommandError(ExitStatus.local, `${path} is a directory; name a file with -o`);
      }
      const isRegular = before?.isFile() ?? true;
      // Without O_TRUNC: what is there may be the beginning of this very file.
      const file = await open(path, before === undefined ? "wx+" : isRegular ? "r+" : "w");
      return new OutputFile(path, file, isRegular ? (before?.size ?? 0) : 0, isRegular, before === undefined);
    } catch (error) {
      throw storageError(path, error);
    }
  }

  get hash(): Hash {
    return this.#hash;
  }

  get position(): number {
    return this.#position;
  }

  async keepVerified(hashes: Uint8Array, size: number): Promise<number> {
    const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    for (let block = 0; block * 32 < hashes.length; block += 1) {
      const offset = block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, size - offset);
      if (length <= 0 || offset + length > this.existingBytes) break;
      const { bytesRead } = await this.#file.read(buffer, 0, length, offset);
      if (bytesRead < length) break;
      const data = buffer.subarray(0, length);
      if (
        !createHash("sha256")
          .update(data)
          .digest()
          .equals(hashes.subarray(block * 32, block * 32 + 32))
      )
        break;
      this.#hash.update(data);
      this.#position = offset + length;
      this.#writtenTo = this.#position;
    }
    return this.#position;
  }

  async startAnew(): Promise<void> {
    try {
      await this.#flush();
    } catch (error) {
      throw storageError(this.label, error);
    }
    this.#hash = createHash("sha256");
    this.#position = 0;
    this.#mustTruncate = this.isResumable;
  }

  /** Gathers what comes and writes it in large pieces, one at a time, while more comes. A failed write shows with a later one. */
  async write(data: Uint8Array): Promise<void> {
    try {
      if (this.#mustTruncate) {
        this.#mustTruncate = false;
        await this.#file.truncate(this.#position);
        this.#writtenTo = this.#position;
      }
      if (data.length === 0) return;
      this.#hash.update(data);
      this.#gathered.push(data);
      this.#position += data.length;
      if (this.#position - this.#writtenTo < GATHERED_BYTES) return;
      await this.#writing;
      this.#writing = this.#writeGathered();
      // Whoever writes next, or finishes, hears of it.
      this.#writing.catch(() => undefined);
    } catch (error) {
      throw storageError(this.label, error);
    }
  }

  /** Everything that came is in the file. */
  async #flush(): Promise<void> {
    await this.#writing;
    await this.#writeGathered();
  }

  async #writeGathered(): Promise<void> {
    const pieces = this.#gathered.splice(0);
    let at = this.#writtenTo;
    this.#writtenTo += pieces.reduce((sum, piece) => sum + piece.length, 0);
    while (pieces.length > 0) {
      const { bytesWritten } = await this.#file.writev(pieces, this.isResumable ? at : undefined);
      at += bytesWritten;
      let rest = bytesWritten;
      while (rest > 0 && rest >= (pieces[0]?.length ?? 0)) rest -= pieces.shift()?.length ?? 0;
      if (rest > 0) pieces[0] = pieces[0]?.subarray(rest) ?? new Uint8Array(0);
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#flush();
      if (this.isResumable && this.existingBytes > this.#position) await this.#file.truncate(this.#position);
      await this.#file.close();
    } catch (error) {
      throw storageError(this.label, error);
    }
  }

  async abandon(): Promise<void> {
    await this.#flush().catch(() => undefined);
    await this.#file.close().catch(() => undefined);
    if (this.#isNew && this.#position === 0) await unlink(this.label).catch(() => undefined);
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "there is no space left; make room and run the same command again, it goes on where it stopped",
  EDQUOT: "your quota is used up; make room and run the same command again, it goes on where it stopped",
  EACCES: "permission denied; choose another place with -o",
  EPERM: "permission denied; choose another place with -o",
  EROFS: "the file system is read-only; choose another place with -o",
  ENOENT: "its folder does not exist; create it or choose another place with -o",
  ENOTDIR: "its folder does not exist; create it or choose another place with -o",
  EFBIG: "the file system allows no file of this size; choose another place with -o",
  EPIPE: "its reader went away; with -o FILE the download could be continued",
};

/** What went wrong with the place where a download goes. */
export function storageError(label: string, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const { code, message, path } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && path !== undefined && existsSync(dirname(path)))
    return new CommandError(ExitStatus.local, `cannot write ${label}: no file can be made there; choose another place with -o`, {
      cause: error,
    });
  return new CommandError(ExitStatus.local, `cannot write ${label}: ${remedies[code ?? ""] ?? message}`, { cause: error });
}
