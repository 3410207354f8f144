import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

const ROUNDS = 5;
const COUNT = 3_000;
const BYTES = 64;
/** A process that has just begun, for comparison. */
const FIRST = 5_000;
/** The runtime goes on compiling what runs once for each message, on threads that take the processors from both ends. */
const WARM_UP = 60_000;

interface Times {
  readonly p50: number;
  readonly p99: number;
}

/** The round trip of 64 bytes on one stream, against the bare engine: as the scheduler places the ends, and with a processor for each. */
export async function echo(): Promise<Measurement[]> {
  using pair = await BenchPair.start();
  const [first] = await measured(pair, "the first 5,000 of a process", 1, FIRST);
  await pair.inTurns(1, "echo", { count: WARM_UP, bytes: BYTES });
  const free = await measured(pair, "ends where the scheduler puts them", ROUNDS, COUNT);
  const reason = pair.pinEnds();
  if (reason !== undefined) process.stderr.write(`kwik bench: echo with a processor for each end was left out: ${reason}\n`);
  const pinned = reason === undefined ? await measured(pair, "a processor for each end", ROUNDS, COUNT) : [];
  return [...barred(free), ...barred(pinned), ...(first === undefined ? [] : [first])];
}

async function measured(pair: BenchPair, where: string, rounds: number, count: number): Promise<Measurement[]> {
  const times = await pair.inTurns<Times>(rounds, "echo", { count, bytes: BYTES });
  return (["p50", "p99"] as const).map((which) => {
    const [value, raw] = [times.kwik, times.raw].map((runs) => median(runs.map((run) => run[which])) * 1000) as [number, number];
    return { name: `echo: ${BYTES} B, ${where}, ${which}`, value, unit: "µs", raw, ratio: value / raw };
  });
}

/** The median is what the bar is about. */
function barred([p50, ...others]: readonly Measurement[]): Measurement[] {
  return p50 === undefined ? [] : [{ ...p50, bar: { kind: "at most", limit: 1.3 } }, ...others];
}
