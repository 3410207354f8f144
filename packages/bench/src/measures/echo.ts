import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

const ROUNDS = 5;
const COUNT = 3_000;
/** Until the code is compiled, its compiler is measured. */
const WARM_UP = 15_000;

/** The round trip of 64 bytes on one stream, against the bare engine. */
export async function echo(): Promise<Measurement[]> {
  using pair = await BenchPair.start();
  await pair.inTurns(1, "echo", { count: WARM_UP, bytes: 64 });
  const times = await pair.inTurns<{ p50: number; p99: number }>(ROUNDS, "echo", { count: COUNT, bytes: 64 });
  const [kwik, raw] = [times.kwik, times.raw].map((runs) => ({
    p50: median(runs.map((run) => run.p50)) * 1000,
    p99: median(runs.map((run) => run.p99)) * 1000,
  })) as [{ p50: number; p99: number }, { p50: number; p99: number }];
  return [
    { name: "echo: 64 B, p50", value: kwik.p50, unit: "µs", raw: raw.p50, ratio: kwik.p50 / raw.p50, bar: { kind: "at most", limit: 1.3 } },
    { name: "echo: 64 B, p99", value: kwik.p99, unit: "µs", raw: raw.p99, ratio: kwik.p99 / raw.p99 },
  ];
}
