import { createHash } from "node:crypto";
import { type FileHandle, open, realpath } from "node:fs/promises";
import path from "node:path";
import { type ContentSource, type ContentStore, KwikError } from "@kwik/core";

/** Files whose hashes are remembered, at most. */
const MAX_REMEMBERED = 10_000;

interface Remembered {
  readonly fingerprint: string;
  readonly hashes: Promise<readonly Uint8Array[]>;
}

/**
 * Serves the files below a directory as content; the id is the path with "/" between parts. Links that lead out of the directory, and
 * anything that is not a plain file, are not served. A file that changes gets another version.
 *
 * The version is the SHA-256 over the hashes of all blocks, so that copies on several servers are equal exactly if their bytes are.
 * Making it reads the file once; the result is kept while size and modification time stay.
 */
export function fileStore(directory: string): ContentStore {
  return new FileStore(directory);
}

/** Blocks of the version's hash list, in bytes; the same as those of contents on the wire. */
export const FILE_BLOCK_BYTES = 256 * 1024;

/** A file is read in pieces of this size to be hashed: short turns of the event loop, and few of them. */
const HASH_READ_BYTES = 4 * FILE_BLOCK_BYTES;

class FileStore implements ContentStore {
  readonly #directory: string;
  readonly #remembered = new Map<string, Remembered>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(id: string): Promise<ContentSource | undefined> {
    const file = await this.#locate(id);
    if (file === undefined) return undefined;
    let handle: FileHandle;
    try {
      handle = await open(file, "r");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new KwikError("IO", `cannot read ${id}`, { cause: error });
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) {
        await handle.close();
        return undefined;
      }
      const fingerprint = `${stat.size}:${stat.mtimeMs}:${stat.ino}`;
      const hashes = await this.#hashes(file, fingerprint, handle, stat.size);
      return new FileSource(id, handle, stat.size, hashes);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /** The real path of a served file, or undefined if there is none that may be served. */
  async #locate(id: string): Promise<string | undefined> {
    const parts = id.split("/");
    if (id === "" || id.includes("\0") || id.includes("\\") || parts.some((part) => part === "" || part === "." || part === ".."))
      return undefined;
    try {
      const root = await realpath(this.#directory);
      const file = await realpath(path.join(root, ...parts));
      return file.startsWith(root + path.sep) ? file : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new KwikError("IO", `cannot look up ${id}`, { cause: error });
    }
  }

  #hashes(file: string, fingerprint: string, handle: FileHandle, size: number): Promise<readonly Uint8Array[]> {
    const known = this.#remembered.get(file);
    if (known?.fingerprint === fingerprint) return known.hashes;
    const hashes = hashBlocks(handle, size);
    this.#remembered.set(file, { fingerprint, hashes });
    hashes.catch(() => this.#remembered.delete(file));
    if (this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(this.#remembered.keys().next().value as string);
    return hashes;
  }
}

/** Node ends the process when it finds a FileHandle that nobody closed; one source that was forgotten must not cost all sessions. */
const forgotten = new FinalizationRegistry<FileHandle>((handle) => void handle.close().catch(() => undefined));

class FileSource implements ContentSource {
  readonly id: string;
  readonly version: string;
  readonly length: bigint;
  readonly #handle: FileHandle;
  readonly #hashes: readonly Uint8Array[];

  constructor(id: string, handle: FileHandle, size: number, hashes: readonly Uint8Array[]) {
    this.id = id;
    this.length = BigInt(size);
    this.#handle = handle;
    this.#hashes = hashes;
    forgotten.register(this, handle, this);
    const root = createHash("sha256");
    for (const hash of hashes) root.update(hash);
    this.version = `sha256-256k:${root.digest("hex")}`;
  }

  async read(offset: bigint, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    await readFully(this.#handle, buffer, Number(offset));
    return buffer;
  }

  hashes(blockBytes: number): Promise<readonly Uint8Array[]> {
    if (blockBytes === FILE_BLOCK_BYTES) return Promise.resolve(this.#hashes);
    return Promise.reject(new KwikError("NOT_SUPPORTED", `hashes are kept for blocks of ${FILE_BLOCK_BYTES} bytes`));
  }

  close(): Promise<void> {
    forgotten.unregister(this);
    return this.#handle.close();
  }
}

async function hashBlocks(handle: FileHandle, size: number): Promise<readonly Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  const buffer = Buffer.allocUnsafeSlow(Math.min(HASH_READ_BYTES, Math.max(size, 1)));
  for (let offset = 0; offset < size; offset += buffer.length) {
    const length = Math.min(buffer.length, size - offset);
    await readFully(handle, buffer.subarray(0, length), offset);
    for (let at = 0; at < length; at += FILE_BLOCK_BYTES) {
      hashes.push(
        createHash("sha256")
          .update(buffer.subarray(at, Math.min(at + FILE_BLOCK_BYTES, length)))
          .digest(),
      );
    }
  }
  return hashes;
}

async function readFully(handle: FileHandle, target: Uint8Array, offset: number): Promise<void> {
  let got = 0;
  while (got < target.length) {
    const { bytesRead } = await handle.read(target, got, target.length - got, offset + got);
    if (bytesRead === 0) throw new KwikError("IO", "the file became shorter while it was read");
    got += bytesRead;
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG";
}
