import { setTimeout as pause } from "node:timers/promises";
import { TallyBook } from "./load/tally.ts";
import { describeFault, type Fault, type FaultKind, targetsOf } from "./plan/fault.ts";
import { makePlan, type Plan } from "./plan/make-plan.ts";
import type { LoadRequest } from "./process/client-process.ts";
import { type Growth, growthsOf, violationsOf } from "./world/leftovers.ts";
import { applyFault } from "./world/apply-fault.ts";
import { ChaosWorld } from "./world/chaos-world.ts";
import type { ProcessState } from "./process/process-state.ts";

/** Before anything goes wrong, and before what a process holds is taken as normal. */
const WARM_UP_MS = 2_000;
const WARM_UP: LoadRequest = { sessions: 2, streams: 10, maxLifeMs: 1_000 };
/** Everything that was begun has to end in this time, after everything is healed. */
const SETTLE_MS = 200_000;
/** What has ended is let go a little later: closing links, grace of sessions whose client is gone. */
const QUIET_MS = 30_000;
const LEAVE_MS = 10_000;

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Default: all. */
  readonly kinds?: readonly FaultKind[];
  readonly load?: LoadRequest;
  onProgress?(progress: Progress): void;
  onEvent?(line: string): void;
}

/** Where a run is. */
export interface Progress {
  readonly seconds: number;
  readonly tally: TallyBook;
  readonly faults: number;
  readonly violations: number;
}

export interface ChaosResult {
  readonly plan: Plan;
  /** By kind, those that happened. */
  readonly faults: Readonly<Record<string, number>>;
  readonly tally: TallyBook;
  /** What processes hold in the end, beside what they held before. */
  readonly growths: readonly Growth[];
  readonly violations: readonly string[];
  readonly seconds: number;
}

const FULL_LOAD: LoadRequest = { sessions: 4, streams: 30, maxLifeMs: 40_000 };
/** A run with so many is not going to say anything else. */
const MAX_VIOLATIONS = 20;

/** Runs a plan on a network of its own, as root. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const plan = makePlan(options);
  return new ChaosRun(plan, options).run();
}

class ChaosRun {
  readonly #plan: Plan;
  readonly #options: ChaosOptions;
  readonly #load: LoadRequest;
  readonly #tally = new TallyBook();
  readonly #faults: Record<string, number> = {};
  readonly #violations: string[] = [];
  readonly #began = performance.now();

  constructor(plan: Plan, options: ChaosOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#load = options.load ?? FULL_LOAD;
  }

  async run(): Promise<ChaosResult> {
    await using world = await ChaosWorld.make(this.#plan, {
      onTally: (tally) => this.#tally.addAll(tally),
      onViolation: (text) => this.#onViolation(text),
    });
    const progress = setInterval(() => this.#tellProgress(), 1_000);
    let growths: readonly Growth[] = [];
    try {
      const before = await this.#warmUp(world);
      this.#say("warm; the load begins");
      await this.#askAll(world, "client", "load", this.#load);
      await this.#letFaultsHappen(world);
      this.#say("healed; everything has to end");
      await this.#askAll(world, "client", "stop", {}, SETTLE_MS);
      await this.#untilQuiet(world);
      growths = await this.#settledGrowths(world, before);
      for (const text of violationsOf(growths)) this.#onViolation(text);
      await this.#leave(world);
    } catch (error) {
      this.#onViolation(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      clearInterval(progress);
    }
    const seconds = (performance.now() - this.#began) / 1000;
    return { plan: this.#plan, faults: this.#faults, tally: this.#tally, growths, violations: this.#violations, seconds };
  }

  /** What each process holds after its first sessions. */
  async #warmUp(world: ChaosWorld): Promise<ReadonlyMap<string, ProcessState>> {
    await this.#askAll(world, "client", "load", WARM_UP);
    await pause(WARM_UP_MS);
    await this.#askAll(world, "client", "stop", {}, SETTLE_MS);
    await this.#untilQuiet(world);
    return states(world);
  }

  async #letFaultsHappen(world: ChaosWorld): Promise<void> {
    const began = performance.now();
    const under = new Map<string, Promise<unknown>>();
    const until = (atMs: number): Promise<void> => pause(Math.max(0, atMs - (performance.now() - began)));
    for (const { atMs, fault } of this.#plan.faults) {
      await until(atMs);
      if (this.#violations.length >= MAX_VIOLATIONS) break;
      // On a busy machine an earlier fault of the same target may not be over, as when a process takes long to start.
      const targets = targetsOf(fault);
      const happened = Promise.all(targets.map((target) => under.get(target) ?? Promise.resolve())).then(() =>
        this.#letHappen(world, fault),
      );
      for (const target of targets) under.set(target, happened);
    }
    await until(this.#violations.length > 0 ? 0 : this.#plan.seconds * 1000);
    await Promise.all(under.values());
  }

  async #letHappen(world: ChaosWorld, fault: Fault): Promise<void> {
    this.#faults[fault.kind] = (this.#faults[fault.kind] ?? 0) + 1;
    this.#say(describeFault(fault));
    try {
      await applyFault(world, fault, this.#load, (text) => this.#onViolation(text));
    } catch (error) {
      this.#onViolation(`${describeFault(fault)}: ${(error as Error).message}`);
    }
  }

  /** Every session of every server has ended. */
  async #untilQuiet(world: ChaosWorld): Promise<void> {
    const end = performance.now() + QUIET_MS;
    for (;;) {
      const stats = await this.#askAll<{ sessions: number; serving: number; waiting: number }>(world, "server", "sessions");
      const left = stats.filter(({ sessions, serving, waiting }) => sessions + serving + waiting > 0);
      if (left.length === 0) return;
      if (performance.now() > end) {
        this.#onViolation(`servers still have sessions ${QUIET_MS / 1000} s after the clients had ended theirs: ${JSON.stringify(stats)}`);
        return;
      }
      await pause(200);
    }
  }

  /** Allocators give back what is free after some seconds; what is still there then was forgotten. */
  async #settledGrowths(world: ChaosWorld, before: ReadonlyMap<string, ProcessState>): Promise<readonly Growth[]> {
    const end = performance.now() + QUIET_MS;
    for (;;) {
      const growths = growthsOf(before, await states(world));
      if (violationsOf(growths).length === 0 || performance.now() > end) return growths;
      await pause(1_000);
    }
  }

  /** No process is kept alive by anything once it has closed what it had. */
  async #leave(world: ChaosWorld): Promise<void> {
    await Promise.all(
      world.all().map(async (one) => {
        await one.ask("close");
        const { resources } = await one.state();
        if (!(await one.leave(LEAVE_MS))) this.#onViolation(`${one.name} does not end by itself; it has ${JSON.stringify(resources)}`);
      }),
    );
  }

  #askAll<T>(world: ChaosWorld, role: "server" | "client", command: string, argument: object = {}, timeoutMs?: number): Promise<T[]> {
    const asked = role === "server" ? world.servers.map((server) => ({ server })) : world.clients.map((client) => ({ client }));
    return Promise.all(
      asked.map((ref) => world.process(ref)?.ask<T>(command, argument, timeoutMs) ?? Promise.reject(new Error("a process is missing"))),
    );
  }

  #onViolation(text: string): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(text);
    this.#say(`BROKEN: ${text}`);
  }

  #say(line: string): void {
    this.#options.onEvent?.(`${this.#seconds().toFixed(1).padStart(7)} s  ${line}`);
  }

  #tellProgress(): void {
    const faults = Object.values(this.#faults).reduce((sum, count) => sum + count, 0);
    this.#options.onProgress?.({ seconds: this.#seconds(), tally: this.#tally, faults, violations: this.#violations.length });
  }

  #seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }
}

async function states(world: ChaosWorld): Promise<ReadonlyMap<string, ProcessState>> {
  return new Map(await Promise.all(world.all().map(async (one) => [one.name, await one.state()] as const)));
}
