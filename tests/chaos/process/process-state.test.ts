import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { threadCount } from "../world/leftovers.ts";
import type { ProcessState } from "./process-state.ts";

const MIB = 1024 * 1024;

interface States {
  readonly before: ProcessState;
  readonly during: ProcessState;
  readonly after: ProcessState;
}

const run = promisify(execFile);
const program = fileURLToPath(new URL("./holding-process.ts", import.meta.url));

test("what a process holds is counted by kind, also what it holds several of, and no more once it has let go", async () => {
  const { stdout } = await run(process.execPath, ["--expose-gc", program]);
  const { before, during, after } = JSON.parse(stdout) as States;
  const more = (kind: string): number => (during.resources[kind] ?? 0) - (before.resources[kind] ?? 0);
  // A timer that keeps nothing alive is not counted.
  expect([more("Timeout"), more("TCPServerWrap")]).toEqual([2, 1]);
  expect(threadCount(during) - threadCount(before)).toBe(1);
  expect(during.threads).toMatchObject({ ...before.threads, WorkerThread: 1 });
  // Three of them are ours; a socket and what a worker listens to come with them.
  expect(during.files - before.files).toBeGreaterThanOrEqual(4);
  expect(during.heapBytes - before.heapBytes).toBeGreaterThan(23 * MIB);
  expect(during.residentBytes).toBeGreaterThan(during.heapBytes);
  expect(after.resources).toEqual(before.resources);
  expect(after.threads).toEqual(before.threads);
  expect(after.files).toBe(before.files);
  expect(Math.abs(after.heapBytes - before.heapBytes)).toBeLessThan(2 * MIB);
});

test("a process that cannot collect its garbage says how to start it instead of measuring", async () => {
  await expect(run(process.execPath, [program])).rejects.toThrow(/--expose-gc/);
});
