import { createHash, randomFillSync } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A folder that other users may use too, and that goes away with the tests of the file. */
export function sharedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kwik-protocols-"));
  chmodSync(folder, 0o777);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes random bytes, of which no program can make less, and answers their SHA-256. */
export function writeRandom(file: string, bytes: number): string {
  const data = randomFillSync(Buffer.allocUnsafe(bytes));
  writeFileSync(file, data);
  return sha256(data);
}

export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
