import { createHash, type Hash } from "node:crypto";
import type { Output } from "./output.ts";
import { storageError } from "./output-file.ts";

/** A download to standard output, in order, as it arrives. */
export class OutputStdout implements Output {
  readonly label = "standard output";
  readonly existingBytes = 0;
  readonly isResumable = false;
  readonly hash: Hash = createHash("sha256");
  #position = 0;
  #error: Error | undefined;

  constructor() {
    // A reader that goes away is told by the write's callback too; unheard it would end the process.
    process.stdout.on("error", (error) => {
      this.#error ??= error;
    });
  }

  get position(): number {
    return this.#position;
  }

  keepVerified(): Promise<number> {
    return Promise.resolve(0);
  }

  startAnew(): Promise<void> {
    return Promise.resolve();
  }

  async write(data: Uint8Array): Promise<void> {
    if (this.#error !== undefined) throw storageError(this.label, this.#error);
    this.hash.update(data);
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(data, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(storageError(this.label, error));
      });
    });
    this.#position += data.length;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }
}
