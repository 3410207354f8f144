/** Memory of this process after a collection of garbage, in bytes. */
export function memory(): { readonly rss: number; readonly external: number; readonly heap: number } {
  globalThis.gc?.();
  const usage = process.memoryUsage();
  return { rss: usage.rss, external: usage.external + usage.arrayBuffers, heap: usage.heapUsed };
}

/** The median and the slowest hundredth of times. Sorts in place. */
export function percentiles(times: Float64Array): { readonly p50: number; readonly p99: number } {
  times.sort();
  return { p50: times[Math.floor(times.length * 0.5)] ?? 0, p99: times[Math.floor(times.length * 0.99)] ?? 0 };
}

/** The middle one; of an even number, the lower of both in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
