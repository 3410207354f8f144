import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ReceiveStream } from "kwik";

const FILL_BYTES = 64 * 1024;

/** Saves streams as files in a folder whose disk may be full. */
export class DiskWriter {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The bytes of the file, which is gone then; undefined if the disk is full. Rejects with how the stream ended otherwise. */
  async save(stream: ReceiveStream, onBytes: (bytes: number) => void): Promise<Uint8Array | undefined> {
    this.#count += 1;
    const name = join(this.#folder, `stream-${this.#count}`);
    const file = await open(name, "w");
    try {
      for (let data = await stream.read(); data !== null; data = await stream.read()) {
        onBytes(data.length);
        await file.writeFile(data);
      }
      await file.close();
      return await readFile(name);
    } catch (error) {
      if (isFull(error)) return undefined;
      throw error;
    } finally {
      await file.close();
      await rm(name, { force: true });
    }
  }

  /** Leaves no room on the disk. */
  async fill(): Promise<void> {
    const file = await open(this.#fillFile, "w");
    try {
      for (;;) await file.writeFile(Buffer.alloc(FILL_BYTES));
    } catch (error) {
      if (!isFull(error)) throw error;
    } finally {
      await file.close();
    }
  }

  async empty(): Promise<void> {
    await rm(this.#fillFile, { force: true });
  }

  get #fillFile(): string {
    return join(this.#folder, "fill");
  }
}

function isFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOSPC";
}
