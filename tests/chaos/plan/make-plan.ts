import type { HoleSide, Line } from "@kwik/bench/network";
import { Dice } from "./dice.ts";
import { type Fault, type FaultKind, FAULT_KINDS, type ProcessRef, targetsOf } from "./fault.ts";

/** A fault and when it begins, in milliseconds since the load is up. */
export interface TimedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** All that a seed decides. */
export interface Plan {
  readonly seed: number;
  readonly seconds: number;
  /** One line to each server. */
  readonly lines: readonly Line[];
  readonly clients: number;
  readonly faults: readonly TimedFault[];
}

export interface PlanRequest {
  readonly seed: number;
  readonly seconds: number;
  /** Default: all. */
  readonly kinds?: readonly FaultKind[];
}

/** How long both sides wait for each other (`graceMs`); faults may last longer. */
export const GRACE_MS = 5_000;

const SERVERS = 3;
const CLIENTS = 2;
/** Nothing begins in the last part, so that sessions are seen that have recovered. */
const CALM_END_MS = 3_000;
const MIN_GAP_MS = 300;
const MAX_GAP_MS = 3_500;
const ROUND_TRIPS_MS = [2, 10, 20, 40];
const RATES_MBIT = [15, 25, 40];
const ALL_LINES = Array.from({ length: SERVERS }, (_, line) => line);
/** Of the black holes, how many swallow all lines. */
const ALL_LINES_SHARE = 0.2;

/** How often each kind is drawn, against the others. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  kill: 5,
  drain: 3,
  pause: 4,
  hole: 6,
  "link-down": 3,
  loss: 4,
  rate: 4,
  clock: 3,
  "disk-full": 2,
};

/** The same request makes the same plan. */
export function makePlan({ seed, seconds, kinds = FAULT_KINDS }: PlanRequest): Plan {
  const dice = new Dice(seed);
  const lines = Array.from({ length: SERVERS }, () => ({
    megabitsPerSecond: dice.oneOf(RATES_MBIT),
    roundTripMs: dice.oneOf(ROUND_TRIPS_MS),
  }));
  const faults: TimedFault[] = [];
  const busyUntil = new Map<string, number>();
  const endMs = seconds * 1000 - CALM_END_MS;
  const deck = FAULT_KINDS.filter((kind) => kinds.includes(kind)).flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  for (let atMs = dice.whole(MIN_GAP_MS, MAX_GAP_MS); atMs < endMs && deck.length > 0; atMs += dice.whole(MIN_GAP_MS, MAX_GAP_MS)) {
    const fault = anyFault(dice, dice.oneOf(deck));
    const targets = targetsOf(fault);
    if (targets.some((target) => atMs < (busyUntil.get(target) ?? 0))) continue;
    // A server that drains takes its time before it is away.
    const freeAtMs = atMs + fault.forMs + (fault.kind === "drain" ? fault.graceMs : 0) + 1_000;
    for (const target of targets) busyUntil.set(target, freeAtMs);
    faults.push({ atMs, fault });
  }
  return { seed, seconds, lines, clients: CLIENTS, faults };
}

function anyFault(dice: Dice, kind: FaultKind): Fault {
  switch (kind) {
    case "kill":
      return { kind, process: anyProcess(dice), forMs: dice.whole(0, 7_000) };
    case "drain":
      return { kind, server: dice.whole(0, SERVERS - 1), graceMs: dice.whole(0, 6_000), forMs: dice.whole(0, 3_000) };
    case "pause":
      return { kind, process: anyProcess(dice), forMs: dice.whole(100, 8_000) };
    case "hole":
      return {
        kind,
        lines: dice.chance(ALL_LINES_SHARE) ? ALL_LINES : [anyLine(dice)],
        side: dice.oneOf<HoleSide>(["both", "to-client", "to-server"]),
        forMs: dice.whole(200, 8_000),
      };
    case "link-down":
      return { kind, line: anyLine(dice), forMs: dice.whole(200, 6_000) };
    case "loss":
      return { kind, line: anyLine(dice), share: dice.oneOf([0.005, 0.02, 0.1, 0.3]), forMs: dice.whole(1_000, 15_000) };
    case "rate":
      return { kind, line: anyLine(dice), megabitsPerSecond: dice.oneOf([1, 4, 10, 60]), forMs: dice.whole(1_000, 15_000) };
    case "clock": {
      const stepMs = dice.oneOf([1_000, 20_000, 300_000, 7_200_000]) * dice.oneOf([1, -1]);
      return { kind, process: anyProcess(dice), stepMs, forMs: dice.whole(500, 10_000) };
    }
    case "disk-full":
      return { kind, client: dice.whole(0, CLIENTS - 1), forMs: dice.whole(500, 6_000) };
  }
}

function anyProcess(dice: Dice): ProcessRef {
  const number = dice.whole(0, SERVERS + CLIENTS - 1);
  return number < SERVERS ? { server: number } : { client: number - SERVERS };
}

function anyLine(dice: Dice): number {
  return dice.whole(0, SERVERS - 1);
}
