import { expect, test } from "vitest";
import { NETWORK_PROGRAMS, prepareTools } from "@kwik/bench/network";
import { FAULT_KINDS, targetsOf } from "./plan/fault.ts";
import { makePlan } from "./plan/make-plan.ts";
import { runChaos } from "./run-chaos.ts";
import { summaryOf } from "./report.ts";

test("a seed makes the same plan again, and another one another", () => {
  expect(makePlan({ seed: 5, seconds: 60 })).toEqual(makePlan({ seed: 5, seconds: 60 }));
  expect(makePlan({ seed: 5, seconds: 60 })).not.toEqual(makePlan({ seed: 6, seconds: 60 }));
});

test("a long plan has every kind of fault, none of a kind that was not asked for, and none on what another one has in its hands", () => {
  const { faults } = makePlan({ seed: 1, seconds: 600 });
  expect(new Set(faults.map(({ fault }) => fault.kind))).toEqual(new Set(FAULT_KINDS));
  expect(new Set(makePlan({ seed: 1, seconds: 600, kinds: ["loss", "rate"] }).faults.map(({ fault }) => fault.kind))).toEqual(
    new Set(["loss", "rate"]),
  );
  expect(makePlan({ seed: 1, seconds: 600, kinds: [] }).faults).toEqual([]);
  for (const [index, { atMs, fault }] of faults.entries()) {
    for (const later of faults.slice(index + 1).filter((other) => other.atMs < atMs + fault.forMs)) {
      expect(targetsOf(fault).filter((target) => targetsOf(later.fault).includes(target))).toEqual([]);
    }
  }
});

/** The short form of npm run chaos: a few seconds of everything. */
const SEED = 20_261;
const SECONDS = 8;

test("servers and clients on a bad network: bytes exact and once, every end with a reason, and nothing left behind", async (context) => {
  const problem = prepareTools(NETWORK_PROGRAMS.filter((program) => program !== "ping"));
  if (problem !== undefined) return context.skip(`no network of namespaces here: ${problem}`);
  const events: string[] = [];
  const result = await runChaos({
    seed: SEED,
    seconds: SECONDS,
    load: { sessions: 2, streams: 12, maxLifeMs: 5_000 },
    onEvent: (line) => events.push(line),
  });
  expect(result.violations, `${events.join("\n")}\n${summaryOf(result)}`).toEqual([]);
  expect(result.tally.of("stream ended: whole")).toBeGreaterThan(0);
  expect(Object.keys(result.faults)).not.toEqual([]);
}, 240_000);
