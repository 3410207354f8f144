import type { Measurement } from "../measurement.ts";
import { median } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

const ROUNDS = 5;
/** Rounds before those that count. */
const WARM_UP_ROUNDS = 5;
const CASES = [
  { bytes: 1024, label: "1 KiB", count: 200_000, atLeast: 50_000 },
  { bytes: 64 * 1024, label: "64 KiB", count: 10_000, atLeast: 10_000 },
];

/** One-way messages on one stream, each a `write` of its own. */
export async function messages(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  using pair = await BenchPair.start();
  for (const { bytes, label, count, atLeast } of CASES) {
    const seconds = await pair.inTurns<number>(WARM_UP_ROUNDS + ROUNDS, "messages", { count, bytes });
    const kwik = count / median(seconds.kwik.slice(WARM_UP_ROUNDS));
    const raw = count / median(seconds.raw.slice(WARM_UP_ROUNDS));
    // The bar is absolute; what the bare engine does stands beside it.
    measurements.push({
      name: `messages: ${label}`,
      value: kwik,
      unit: "per s",
      raw,
      bar: { kind: "at least", limit: atLeast },
    });
  }
  return measurements;
}
