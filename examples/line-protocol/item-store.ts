import { createHash, randomUUID } from "node:crypto";
import { link, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Refusal } from "./refusal.ts";

/** What is known of an item that was rebuilt. */
export interface StoredItem {
  readonly bytes: number;
  readonly sha256: string;
}

/** Where complete items go: files of one folder, or nowhere but into their hash. */
export class ItemStore {
  readonly #folder: string | undefined;
  readonly #overwrites: boolean;
  readonly #onFault: (item: string, error: unknown) => void;

  constructor(folder: string | undefined, overwrites: boolean, onFault: (item: string, error: unknown) => void) {
    this.#folder = folder;
    this.#overwrites = overwrites;
    this.#onFault = onFault;
  }

  /**
   * Stores an item whose name was checked. The file has its name only when it is complete and on the disk (LINE-20). Throws EXISTS or
   * NOT_STORED, and leaves nothing then.
   */
  async store(item: string, chunks: Iterable<Uint8Array>): Promise<StoredItem> {
    const hash = createHash("sha256");
    let bytes = 0;
    function* hashed(): Generator<Uint8Array, void, void> {
      for (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
    if (this.#folder === undefined) for (const _ of hashed());
    else await this.#write(this.#folder, item, hashed());
    return { bytes, sha256: hash.digest("hex") };
  }

  async #write(folder: string, item: string, chunks: Iterable<Uint8Array>): Promise<void> {
    const unfinished = join(folder, `.line-protocol-${randomUUID()}.part`);
    const finished = join(folder, item);
    try {
      const file = await open(unfinished, "wx");
      try {
        await file.writeFile(chunks);
        await file.sync();
      } finally {
        await file.close();
      }
      // A second name for the file, unlike a new name, never replaces what is there.
      if (this.#overwrites) await rename(unfinished, finished);
      else await link(unfinished, finished);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new Refusal("EXISTS", item);
      this.#onFault(item, error);
      throw new Refusal("NOT_STORED", item);
    } finally {
      await unlink(unfinished).catch(() => {}); // renamed, or never made
    }
  }
}
