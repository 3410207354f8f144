import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { EnginePair } from "./engine-pair.ts";

const BYTES = 400e6;
const ROUNDS = 3;

/** Bytes through one path on loopback, against the bare engine. */
export async function bulk(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  using pair = await EnginePair.start();
  for (const command of ["download", "upload"]) {
    for (const streams of [1, 100]) {
      const seconds = await pair.inTurns<number>(ROUNDS + 1, command, { streams, bytes: BYTES });
      // The first round finds the rate of the path and warms the code.
      const kwik = BYTES / 1e6 / median(seconds.kwik.slice(1));
      const raw = BYTES / 1e6 / median(seconds.raw.slice(1));
      measurements.push({
        name: `bulk: ${command}, ${streams === 1 ? "1 stream" : `${streams} streams`}`,
        value: kwik,
        unit: "MB/s",
        raw,
        ratio: kwik / raw,
        bar: { kind: "at least", limit: 0.8 },
      });
    }
  }
  return measurements;
}
