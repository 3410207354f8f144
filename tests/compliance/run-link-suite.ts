import { LinkBench, linkCases } from "@kwik/testkit";
import type { LinkEnvironment } from "@kwik/testkit";
import { describe, test } from "vitest";

/** Runs the suite under vitest. What an environment cannot do is skipped, counted and said. */
export function runLinkSuite(name: string, makeEnvironment: () => LinkEnvironment): void {
  describe(`the Link port over ${name}`, () => {
    for (const linkCase of linkCases) {
      test(linkCase.name, async (context) => {
        const environment = makeEnvironment();
        const missing = linkCase.needs?.filter((need) => !environment.capabilities.has(need)) ?? [];
        if (missing.length > 0) context.skip(`${name} has no ${missing.join(", ")}`);
        const bench = new LinkBench(environment);
        try {
          await linkCase.run(bench);
        } finally {
          await bench.close();
        }
      });
    }
  });
}
