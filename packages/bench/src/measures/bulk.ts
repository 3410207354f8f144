import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

/** Of one round, in bytes. */
const BYTES = 500e6;
const ROUNDS = 5;
/** Rounds before those that count: the runtime goes on compiling what runs often for the first gigabytes of a process. */
const WARM_UP_ROUNDS = 8;
/** In a process that is warm already. */
const FURTHER_WARM_UP_ROUNDS = 3;

interface BulkCase {
  readonly command: "download" | "upload";
  readonly streams: number;
  /** With `read` instead of `readInto`; has no bar. */
  readonly isByRead?: boolean;
}

const CASES: readonly BulkCase[] = [
  { command: "download", streams: 1 },
  { command: "download", streams: 10 },
  { command: "download", streams: 100 },
  { command: "download", streams: 1, isByRead: true },
  { command: "upload", streams: 1 },
  { command: "upload", streams: 10 },
  { command: "upload", streams: 100 },
];

/** Bytes through one path on loopback, against the bare engine. */
export async function bulk(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const command of ["download", "upload"]) {
    using pair = await BenchPair.start();
    for (const [index, one] of CASES.filter((other) => other.command === command).entries()) {
      measurements.push(await measured(pair, one, index === 0));
    }
  }
  return measurements;
}

async function measured(pair: BenchPair, one: BulkCase, isFirst: boolean): Promise<Measurement> {
  const { command, streams, isByRead = false } = one;
  const argument = { streams, bytes: BYTES, isByRead };
  const warmUp = await pair.inTurns<number>(isFirst ? WARM_UP_ROUNDS : FURTHER_WARM_UP_ROUNDS, command, argument);
  const before = await pair.processorTime();
  const seconds = await pair.inTurns<number>(ROUNDS, command, argument);
  const after = await pair.processorTime();
  const kwik = BYTES / 1e6 / median(seconds.kwik);
  const raw = BYTES / 1e6 / median(seconds.raw);
  const perGigabyte = (time: number): string => ((time / (ROUNDS * BYTES)) * 1e9).toFixed(1);
  const first = isFirst ? `; first ${BYTES / 1e6} MB ${((warmUp.raw[0] ?? 0) / (warmUp.kwik[0] ?? 1)).toFixed(2)}` : "";
  return {
    name: `bulk: ${command}, ${streams === 1 ? "1 stream" : `${streams} streams`}${isByRead ? ", with read" : ""}`,
    value: kwik,
    unit: "MB/s",
    raw,
    ratio: kwik / raw,
    ...(isByRead ? {} : { bar: { kind: "at least", limit: 0.8 } as const }),
    note: `CPU of both ends ${perGigabyte(after.kwik - before.kwik)} s/GB, raw ${perGigabyte(after.raw - before.raw)}${first}`,
  };
}
