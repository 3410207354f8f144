import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Tests run on the sources: the private export condition makes a build unnecessary.
export default defineConfig({
  resolve: { conditions: ["kwik-source", "node"] },
  ssr: { resolve: { conditions: ["kwik-source", "node"], externalConditions: ["kwik-source", "node"] } },
  test: {
    include: ["packages/*/src/**/*.test.ts", "tests/**/*.test.ts"],
    pool: "forks",
    // Many files wait for processes and clocks most of their time: two at once keep two processors busy.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Bounds against hanging, not measurements: other tests may keep both processors busy.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
