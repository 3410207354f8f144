import { createHash, randomFillSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { BLOCK_BYTES } from "../files/file-protocol.ts";
import { OutputFile } from "./output-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kwik-output-"));
afterAll(() => rmSync(folder, { recursive: true }));
const content = randomFillSync(Buffer.alloc(2 * BLOCK_BYTES + 1000));
const hashes = Buffer.concat([0, 1, 2].map((block) => sha256(content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))));

function sha256(data: Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

async function resume(name: string, existing: Uint8Array): Promise<{ kept: number; hash: string; result: Buffer }> {
  const file = join(folder, name);
  writeFileSync(file, existing);
  const output = await OutputFile.open(file);
  const kept = await output.keepVerified(hashes, content.length);
  await output.write(content.subarray(kept));
  await output.finish();
  return { kept, hash: output.hash.digest("hex"), result: readFileSync(file) };
}

test.each([
  ["nothing of an empty file", 0, 0],
  ["whole blocks of a beginning", BLOCK_BYTES + 5, BLOCK_BYTES],
  ["all of a complete file", content.length, content.length],
  ["whole blocks of a file that lacks its last byte", content.length - 1, 2 * BLOCK_BYTES],
])("keeps %s", async (name, bytes, kept) => {
  const outcome = await resume(name, content.subarray(0, bytes));
  expect(outcome.kept).toBe(kept);
  expect(outcome.result.equals(content)).toBe(true);
  expect(outcome.hash).toBe(sha256(content).toString("hex"));
});

test("keeps nothing from the first wrong block on, and nothing that is too much", async () => {
  const spoilt = Buffer.concat([content, Buffer.alloc(5000)]);
  spoilt[BLOCK_BYTES + 7] = (spoilt[BLOCK_BYTES + 7] as number) ^ 1;
  const outcome = await resume("spoilt", spoilt);
  expect(outcome.kept).toBe(BLOCK_BYTES);
  expect(outcome.result.equals(content)).toBe(true);
});

test("changes nothing before there is something to write", async () => {
  const file = join(folder, "untouched");
  writeFileSync(file, "precious");
  const output = await OutputFile.open(file);
  await output.abandon();
  expect(readFileSync(file, "utf8")).toBe("precious");
});

test("leaves no empty file behind", async () => {
  const file = join(folder, "new");
  const output = await OutputFile.open(file);
  await output.abandon();
  expect(existsSync(file)).toBe(false);
});
