import { join } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { exists } from "./tree.ts";
import { linesOf, runTool } from "./tool.ts";

const GENERATORS = ["packages/proto/scripts/generate.mjs", "scripts/generate-limits.ts"];

/** What is generated is what its source generates today. `npm run generate` repairs. */
export const generated: Gate = {
  name: "generated",
  async run(root) {
    const findings: string[] = [];
    const present = GENERATORS.filter((script) => exists(root, script));
    for (const script of present) {
      const output = await runTool(root, "node", [join(root, script), "--check"]);
      if (output.code !== 0) findings.push(`${script}: ${linesOf(output).join(" ") || "out of date"} (npm run generate)`);
    }
    return verdict(findings, `${present.length} generators`);
  },
};
