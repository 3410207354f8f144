import type { Measurement } from "../measurement.ts";
import { median, pause } from "../sampling.ts";
import { BenchPair } from "./bench-pair.ts";

const ROUNDS = 5;
/** Below the limit of streams that a server gives. */
const STREAMS = 800;
/** Closed streams give their credit back a moment later, in milliseconds. */
const CREDIT_MS = 200;
const EXCHANGES = 4_000;

/** What a logical stream costs: to open it, and to open, use and close it. */
export async function open(): Promise<Measurement[]> {
  using pair = await BenchPair.start();
  const micros: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    micros.push(await pair.kwik.ask<number>("open", { count: STREAMS }));
    await pause(CREDIT_MS);
  }
  const measurements: Measurement[] = [{ name: "open: openStream", value: median(micros), unit: "µs", bar: { kind: "below", limit: 50 } }];
  for (const atOnce of [1, 32]) {
    const seconds = await pair.inTurns<number>(3, "exchange", { count: EXCHANGES, atOnce });
    const kwik = EXCHANGES / median(seconds.kwik);
    const raw = EXCHANGES / median(seconds.raw);
    measurements.push({ name: `open: open, byte, close, ${atOnce} at once`, value: kwik, unit: "per s", raw, ratio: kwik / raw });
  }
  return measurements;
}
