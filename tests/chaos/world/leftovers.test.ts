import { createServer } from "node:net";
import { expect, test } from "vitest";
import { activeResources, type ProcessState } from "../process/process-state.ts";
import { growthsOf, violationsOf } from "./leftovers.ts";

const MIB = 1024 * 1024;

function state(change: Partial<ProcessState> = {}): ProcessState {
  return {
    heapBytes: 30 * MIB,
    residentBytes: 200 * MIB,
    threads: { node: 10 },
    files: 20,
    resources: { Timeout: 1, ...activeResources() },
    ...change,
  };
}

function complaints(after: ProcessState, before = state()): readonly string[] {
  return violationsOf(growthsOf(new Map([["server 0", before]]), new Map([["server 0", after]])));
}

test("what is the same, or less, is no complaint", () => {
  expect(complaints(state())).toEqual([]);
  expect(complaints(state({ files: 18, threads: {}, resources: {} }))).toEqual([]);
  expect(complaints(state({ heapBytes: 41 * MIB, threads: { node: 10, jemalloc_bg_thd: 2 } }))).toEqual([]);
});

test("each kind of thing that stays is named with its process", () => {
  expect(complaints(state({ files: 21 }))).toEqual(["server 0 has 21 open files and sockets, and had 20; 0 more are allowed"]);
  expect(complaints(state({ threads: { node: 11 } }))[0]).toContain('11 threads "node"');
  expect(complaints(state({ heapBytes: 43 * MIB }))[0]).toContain("43.0 MiB of heap");
});

test("a timer and a socket that nobody let go of are seen", async () => {
  const before = state({ resources: activeResources() });
  const timer = setTimeout(() => undefined, 60_000);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const left = complaints(state({ resources: activeResources() }), before);
  clearTimeout(timer);
  await new Promise((resolve) => server.close(resolve));
  expect(left.join(" ")).toContain('"Timeout"');
  expect(left.join(" ")).toContain('"TCPServerWrap"');
});
