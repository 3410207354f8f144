import type { ProcessState } from "../process/process-state.ts";

/** A process then and now. */
export interface Growth {
  readonly name: string;
  readonly before: ProcessState;
  readonly after: ProcessState;
}

const MIB = 1024 * 1024;
/** Code that was not run before, and is compiled then, takes some. Sessions hold megabytes each, so one that is forgotten in ten shows. */
const HEAP_GROWTH_BYTES = 12 * MIB;
/** What allocators and the engine keep for later. */
const RESIDENT_GROWTH_BYTES = 160 * MIB;

/** The engine's allocator makes up to one for each processor when it sees a need, and keeps them. */
const ALLOCATOR_THREAD = "jemalloc_bg_thd";

export function growthsOf(before: ReadonlyMap<string, ProcessState>, after: ReadonlyMap<string, ProcessState>): readonly Growth[] {
  return [...after].map(([name, state]) => {
    const earlier = before.get(name);
    if (earlier === undefined) throw new Error(`there was no ${name} before`);
    return { name, before: earlier, after: state };
  });
}

/** What processes hold that they ought to have given back, in words. */
export function violationsOf(growths: readonly Growth[]): readonly string[] {
  return growths.flatMap(({ name, before, after }) => [
    ...grown(name, "MiB of heap", before.heapBytes, after.heapBytes, HEAP_GROWTH_BYTES, MIB),
    ...grown(name, "MiB of memory", before.residentBytes, after.residentBytes, RESIDENT_GROWTH_BYTES, MIB),
    ...keptBy(name, before, after),
  ]);
}

/** Threads, files, and what keeps Node's event loop going, that a process has more of than before, in words. */
export function keptBy(name: string, before: ProcessState, after: ProcessState): readonly string[] {
  return [
    ...Object.entries(after.threads)
      .filter(([thread]) => thread !== ALLOCATOR_THREAD)
      .flatMap(([thread, count]) => grown(name, `threads "${thread}"`, before.threads[thread] ?? 0, count, 0)),
    ...grown(name, "open files and sockets", before.files, after.files, 0),
    ...Object.entries(after.resources).flatMap(([kind, count]) =>
      grown(name, `resources of the event loop "${kind}"`, before.resources[kind] ?? 0, count, 0),
    ),
  ];
}

function grown(name: string, what: string, before: number, after: number, bound: number, unit = 1): string[] {
  if (after - before <= bound) return [];
  const [was, is, most] = [before, after, bound].map((value) => (value / unit).toFixed(unit === 1 ? 0 : 1));
  return [`${name} has ${is ?? ""} ${what}, and had ${was ?? ""}; ${most ?? ""} more are allowed`];
}

export function threadCount({ threads }: ProcessState): number {
  return Object.values(threads).reduce((sum, count) => sum + count, 0);
}
