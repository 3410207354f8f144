import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { linesOf, runTool } from "./tool.ts";

/** Every package compiles with its own surroundings (none for the protocol, a web worker's for the core), and so do tests and scripts. */
export const typecheck: Gate = {
  name: "types",
  async run(root) {
    const findings: string[] = [];
    for (const args of [
      ["-b", "--pretty", "false"],
      ["-p", "tsconfig.tests.json", "--pretty", "false"],
    ]) {
      const output = await runTool(root, "tsc", args);
      if (output.code !== 0) findings.push(...linesOf(output));
    }
    return verdict([...new Set(findings)]);
  },
};
