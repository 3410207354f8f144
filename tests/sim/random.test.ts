import fc from "fast-check";
import { test } from "vitest";
import { randomCase } from "./random-arbitrary.ts";
import { play } from "./random-case.ts";

const seed = Number(process.env["KWIK_SEED"] ?? 20_240);
const runs = Number(process.env["KWIK_RUNS"] ?? 60);

test("whatever happens, every byte arrives once and in order or its stream is told why not, and nothing is left in the end", () => {
  fc.assert(fc.property(randomCase, play), {
    seed,
    numRuns: runs,
    interruptAfterTimeLimit: runs > 100 ? undefined : 25_000,
    reporter: (result) => {
      if (!result.failed) return;
      const found = result.counterexample?.[0];
      const words = [
        `after ${result.numRuns} runs and ${result.numShrinks} times of making it smaller; again with`,
        `  KWIK_SEED=${result.seed} KWIK_RUNS=${runs} npx vitest run tests/sim/random.test.ts`,
        "or keep this as tests/sim/regressions/<what-it-shows>.json:",
        JSON.stringify(found),
        String((result.errorInstance as Error | undefined)?.stack ?? result.errorInstance),
      ];
      throw new Error(words.join("\n"));
    },
  });
}, 600_000);
