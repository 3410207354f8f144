import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { EnginePair } from "./engine-pair.ts";

const BYTES = 250e6;
const ROUNDS = 3;

/** Bytes through one path on loopback, against the bare engine. */
export async function bulk(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  using pair = await EnginePair.start();
  for (const command of ["download", "upload"]) {
    for (const streams of [1, 100]) {
      // The first round finds the rate of the path and warms the code.
      await pair.inTurns<number>(1, command, { streams, bytes: BYTES });
      const before = await pair.processorTime();
      const seconds = await pair.inTurns<number>(ROUNDS, command, { streams, bytes: BYTES });
      const after = await pair.processorTime();
      const kwik = BYTES / 1e6 / median(seconds.kwik);
      const raw = BYTES / 1e6 / median(seconds.raw);
      const perGigabyte = (time: number): string => ((time / (ROUNDS * BYTES)) * 1e9).toFixed(1);
      measurements.push({
        name: `bulk: ${command}, ${streams === 1 ? "1 stream" : `${streams} streams`}`,
        value: kwik,
        unit: "MB/s",
        raw,
        ratio: kwik / raw,
        bar: { kind: "at least", limit: 0.8 },
        note: `CPU of both ends ${perGigabyte(after.kwik - before.kwik)} s/GB, raw ${perGigabyte(after.raw - before.raw)}`,
      });
    }
  }
  return measurements;
}
