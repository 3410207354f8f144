import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";

/** What a process holds, after a collection of garbage. */
export interface ProcessState {
  /** JavaScript heap in use and memory outside of it that belongs to JavaScript, in bytes. */
  readonly heapBytes: number;
  /** Resident, in bytes: what allocators keep counts too. */
  readonly residentBytes: number;
  /** By the name that the system knows them by. */
  readonly threads: Readonly<Record<string, number>>;
  readonly files: number;
  /** What keeps Node's event loop alive, by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

const COLLECTIONS = 4;

/** Needs --expose-gc. */
export async function processState(): Promise<ProcessState> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("start this process with --expose-gc");
  for (let i = 0; i < COLLECTIONS; i += 1) {
    // What was collected may have finalizers, which free more.
    gc();
    await nextTurn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    // `external` contains the array buffers.
    heapBytes: heapUsed + external,
    residentBytes: rss,
    threads: counted(readdirSync("/proc/self/task").map(threadName)),
    files: readdirSync("/proc/self/fd").length,
    resources: activeResources(),
  };
}

/** What keeps the event loop of this process alive, by kind. */
export function activeResources(): Readonly<Record<string, number>> {
  return counted(process.getActiveResourcesInfo());
}

function threadName(id: string): string {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim();
  } catch {
    return "one that has just ended";
  }
}

function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
