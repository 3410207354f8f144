import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { linesOf, runTool } from "./tool.ts";
import { exists } from "./tree.ts";

/** A project of its own: it runs in a page. */
const PAGE = "examples/browser/page";

/** Every package compiles with its own surroundings (none for the protocol, a web worker's for the core, a page's for the page), and so do tests and scripts. */
export const typecheck: Gate = {
  name: "types",
  async run(root) {
    const findings: string[] = [];
    const projects = [["-b"], ["-p", "tsconfig.tests.json"], ...(exists(root, PAGE) ? [["-p", PAGE]] : [])];
    for (const project of projects) {
      const output = await runTool(root, "tsc", [...project, "--pretty", "false"]);
      if (output.code !== 0) findings.push(...linesOf(output));
    }
    return verdict([...new Set(findings)]);
  },
};
