import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("failed-listen-process.ts", import.meta.url));
/** A bound against hanging. */
const LIMIT_MS = 30_000;

test("a listener that could not be bound does not keep the process running", async () => {
  const ended = await new Promise<{ status: number | null; out: string }>((resolve) => {
    const args = ["--conditions=kwik-source", SCRIPT];
    const child = execFile(process.execPath, args, { timeout: LIMIT_MS }, (_error, out) => resolve({ status: child.exitCode, out }));
  });
  expect(ended).toEqual({ status: 0, out: "IO" });
});
