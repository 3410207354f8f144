import { readFileSync } from "node:fs";
import type { Role } from "../../process/role.ts";
import { epochMs } from "../process/arrival-log.ts";

/** The state of the client's devices at one moment. */
export interface CounterSample {
  readonly atMs: number;
  /** By line: bytes that came in and went out, headers included. */
  readonly received: readonly number[];
  readonly sent: readonly number[];
}

const SAMPLE_MS = 20;

/** Reads the byte counts of a host's lines again and again: the same for every contender, whatever it says itself. */
export async function counter(argument: { readonly devices: readonly string[] }): Promise<Role> {
  let samples: CounterSample[] = [];
  setInterval(() => samples.push(sampleOf(readFileSync("/proc/self/net/dev", "utf8"), argument.devices)), SAMPLE_MS);
  return {
    ready: true,
    commands: {
      /** All samples since the last time. */
      samples: async () => {
        const taken = samples;
        samples = [];
        return taken;
      },
    },
  };
}

function sampleOf(text: string, devices: readonly string[]): CounterSample {
  const received: number[] = [];
  const sent: number[] = [];
  for (const device of devices) {
    const numbers = new RegExp(`^\\s*${device}:(.*)$`, "m").exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
    received.push(numbers[0] ?? 0);
    sent.push(numbers[8] ?? 0);
  }
  return { atMs: epochMs(), received, sent };
}
