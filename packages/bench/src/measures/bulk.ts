import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { EnginePair } from "./engine-pair.ts";

/** Of one round, in bytes. */
const BYTES = 500e6;
const ROUNDS = 5;
/** Rounds before those that count: the runtime goes on compiling what runs often for the first gigabytes of a process. */
const WARM_UP_ROUNDS = 8;
/** With other numbers of streams most of that is done. */
const FURTHER_WARM_UP_ROUNDS = 3;

/** Bytes through one path on loopback, against the bare engine. */
export async function bulk(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const command of ["download", "upload"]) {
    using pair = await EnginePair.start();
    for (const streams of [1, 10, 100]) {
      const argument = { streams, bytes: BYTES };
      const warmUp = await pair.inTurns<number>(streams === 1 ? WARM_UP_ROUNDS : FURTHER_WARM_UP_ROUNDS, command, argument);
      const before = await pair.processorTime();
      const seconds = await pair.inTurns<number>(ROUNDS, command, argument);
      const after = await pair.processorTime();
      const kwik = BYTES / 1e6 / median(seconds.kwik);
      const raw = BYTES / 1e6 / median(seconds.raw);
      const perGigabyte = (time: number): string => ((time / (ROUNDS * BYTES)) * 1e9).toFixed(1);
      const first = streams === 1 ? `; first ${BYTES / 1e6} MB ${((warmUp.raw[0] ?? 0) / (warmUp.kwik[0] ?? 1)).toFixed(2)}` : "";
      measurements.push({
        name: `bulk: ${command}, ${streams === 1 ? "1 stream" : `${streams} streams`}`,
        value: kwik,
        unit: "MB/s",
        raw,
        ratio: kwik / raw,
        bar: { kind: "at least", limit: 0.8 },
        note: `CPU of both ends ${perGigabyte(after.kwik - before.kwik)} s/GB, raw ${perGigabyte(after.raw - before.raw)}${first}`,
      });
    }
  }
  return measurements;
}
