import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TallyBook } from "../chaos/load/tally.ts";
import type { ProcessState } from "../chaos/process/process-state.ts";
import { ChaosProcess } from "../chaos/world/chaos-process.ts";
import { keptBy } from "../chaos/world/leftovers.ts";
import type { SoakArgument, Wave } from "./soak-plan.ts";

const MIB = 1024 * 1024;
/** How much more either process may hold at the end than after the first tenth. A session that was forgotten has at least a kilobyte: 10,000 of them show. */
export const MAX_HEAP_GROWTH_BYTES = 6 * MIB;
/** Allocators and the engine keep what was freed, and fill gaps late. */
export const MAX_RESIDENT_GROWTH_BYTES = 64 * MIB;

const WAVE_MS = 600_000;
const QUIET_MS = 30_000;
/** Closing links are let go a second later. */
const LINGER_MS = 1_500;
const LEAVE_MS = 10_000;
const MAX_VIOLATIONS = 20;

export interface SoakOptions {
  readonly sessions: number;
  readonly streams: number;
  /** How often memory is looked at. */
  readonly waves: number;
  onRow?(row: SoakRow): void;
}

/** What the processes held when nothing was open. */
export interface SoakRow {
  readonly seconds: number;
  readonly sessions: number;
  readonly streams: number;
  readonly client: ProcessState;
  readonly server: ProcessState;
}

export interface SoakResult {
  readonly rows: readonly SoakRow[];
  readonly tally: TallyBook;
  readonly violations: readonly string[];
}

/** Opens and closes sessions and streams, and looks at what is left. */
export async function runSoak({ sessions, streams, waves, onRow }: SoakOptions): Promise<SoakResult> {
  const tally = new TallyBook();
  const violations: string[] = [];
  const rows: SoakRow[] = [];
  const began = performance.now();
  const start = (name: string, file: string, argument: object): Promise<ChaosProcess> =>
    ChaosProcess.start(name, {
      spawn: ([program = "", ...words], options) => spawn(program, words, options),
      file: fileURLToPath(new URL(file, import.meta.url)),
      argument,
      listener: {
        onTally: (counts) => tally.addAll(counts),
        onViolation: (text) => {
          if (violations.length < MAX_VIOLATIONS) violations.push(text);
        },
      },
    });
  const server = await start("server", "soak-server-process.ts", {});
  try {
    const client = await start("client", "soak-client-process.ts", await server.ask<SoakArgument>("place"));
    try {
      for (let wave = 0; wave < waves && violations.length === 0; wave += 1) {
        const first = Math.round((wave * sessions) / waves);
        const count = Math.round(((wave + 1) * sessions) / waves) - first;
        const request: Wave = { first, sessions: count, streamsPerSession: Math.round(streams / sessions) };
        await client.ask("wave", request, WAVE_MS);
        await untilNone(server);
        const states = { client: await client.state(), server: await server.state() };
        const seconds = (performance.now() - began) / 1000;
        const row = { seconds, sessions: tally.of("sessions"), streams: tally.of("streams"), ...states };
        rows.push(row);
        onRow?.(row);
      }
      violations.push(...growth(rows));
      for (const one of [client, server]) {
        await one.ask("close");
        if (!(await one.leave(LEAVE_MS))) violations.push(`${one.name} does not end by itself`);
      }
    } finally {
      await client.kill();
    }
  } finally {
    await server.kill();
  }
  return { rows, tally, violations };
}

async function untilNone(server: ChaosProcess): Promise<void> {
  const end = performance.now() + QUIET_MS;
  while ((await server.ask<number>("sessions")) > 0) {
    if (performance.now() > end) throw new Error("the server still has sessions that its client has ended");
    await pause(50);
  }
  await pause(LINGER_MS);
}

/** What has grown too much since the first tenth. */
function growth(rows: readonly SoakRow[]): string[] {
  const [first, last] = [rows[Math.floor((rows.length - 1) / 10)], rows.at(-1)];
  if (first === undefined || last === undefined) return ["nothing was measured"];
  return (["client", "server"] as const).flatMap((name) => {
    const [before, after] = [first[name], last[name]];
    return [
      ...above(`${name}: heap`, after.heapBytes - before.heapBytes, MAX_HEAP_GROWTH_BYTES),
      ...above(`${name}: resident memory`, after.residentBytes - before.residentBytes, MAX_RESIDENT_GROWTH_BYTES),
      ...keptBy(name, before, after),
    ];
  });
}

function above(what: string, bytes: number, bound: number): string[] {
  return bytes <= bound ? [] : [`${what} grew by ${(bytes / MIB).toFixed(1)} MiB, at most ${bound / MIB} are allowed`];
}
