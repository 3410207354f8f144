import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "kwik-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a source that nobody closed is closed when it is collected, and does not end the process", async (context) => {
  if (!existsSync("/proc/self/fd")) context.skip("this system does not list open files under /proc");
  writeFileSync(join(folder, "a.bin"), new Uint8Array(1000));
  const script = fileURLToPath(new URL("forgotten-files.fixture.ts", import.meta.url));
  const args = ["--conditions=kwik-source", "--expose-gc", script, folder, "a.bin"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  expect(JSON.parse(stdout)).toEqual({ wasOpen: true, left: 0 });
});
