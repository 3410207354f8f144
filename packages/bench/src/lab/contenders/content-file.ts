import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { patternAt } from "../process/arrival-log.ts";

const PIECE_BYTES = 256 * 1024;

/** The file that all servers have, by size. */
export class ContentFile {
  readonly directory: string;
  readonly #made = new Set<number>();

  constructor(workDirectory: string) {
    this.directory = join(workDirectory, "content");
    mkdirSync(this.directory, { recursive: true });
  }

  /** Its name in the directory. */
  nameOf(bytes: number): string {
    const name = `${bytes}.bin`;
    if (this.#made.has(bytes)) return name;
    const file = openSync(join(this.directory, name), "w");
    for (let at = 0; at < bytes; at += PIECE_BYTES) writeSync(file, patternAt(at, Math.min(PIECE_BYTES, bytes - at)));
    closeSync(file);
    this.#made.add(bytes);
    return name;
  }
}
