import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

const BYTES = 500e6;
const ROUNDS = 5;
/** Until the code is compiled, its compiler is measured. */
const WARM_UP_ROUNDS = 6;
const FURTHER_WARM_UP_ROUNDS = 2;
const STREAMS = [1, 10, 100];
const ECHO_COUNT = 3_000;
const ECHO_WARM_UP = 15_000;

/** One path on loopback over a transport that has one pipe, against the same kind of connection without kwik; `bare` is its name. */
export async function onePipe(kind: "tcp" | "websocket", bare: string): Promise<Measurement[]> {
  using pair = await BenchPair.start(kind);
  const measurements: Measurement[] = [];
  for (const command of ["download", "upload"]) {
    for (const streams of STREAMS) measurements.push(await bulk(pair, kind, bare, command, streams));
  }
  await pair.inTurns(1, "echo", { count: ECHO_WARM_UP, bytes: 64 });
  const times = await pair.inTurns<{ p50: number }>(ROUNDS, "echo", { count: ECHO_COUNT, bytes: 64 });
  const [kwik, raw] = [times.kwik, times.raw].map((runs) => median(runs.map((run) => run.p50)) * 1000) as [number, number];
  measurements.push({ name: `${kind}: echo of 64 B, p50`, value: kwik, unit: "µs", raw, ratio: kwik / raw });
  return measurements;
}

/** The bare connection has no streams: it moves the same bytes as one. */
async function bulk(pair: BenchPair, kind: string, bare: string, command: string, streams: number): Promise<Measurement> {
  const argument = { streams, bytes: BYTES };
  await pair.inTurns(streams === STREAMS[0] ? WARM_UP_ROUNDS : FURTHER_WARM_UP_ROUNDS, command, argument);
  const before = await pair.processorTime();
  const seconds = await pair.inTurns<number>(ROUNDS, command, argument);
  const after = await pair.processorTime();
  const kwik = BYTES / 1e6 / median(seconds.kwik);
  const raw = BYTES / 1e6 / median(seconds.raw);
  const perGigabyte = (time: number): string => ((time / (ROUNDS * BYTES)) * 1e9).toFixed(1);
  return {
    name: `${kind}: ${command}, ${streams === 1 ? "1 stream" : `${streams} streams`}`,
    value: kwik,
    unit: "MB/s",
    raw,
    ratio: kwik / raw,
    bar: { kind: "at least", limit: 0.85 },
    note: `CPU of both ends ${perGigabyte(after.kwik - before.kwik)} s/GB, ${bare} alone ${perGigabyte(after.raw - before.raw)}`,
  };
}
