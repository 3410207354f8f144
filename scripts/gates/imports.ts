import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { exists } from "./tree.ts";
import { linesOf, runTool } from "./tool.ts";

interface Cruise {
  summary: {
    totalCruised: number;
    violations: { type: string; from: string; to: string; rule: { name: string; severity: string }; cycle?: { name: string }[] }[];
  };
  modules: { source: string; dependencies: { resolved: string }[] }[];
}

/** A cruiser that cannot read the sources sees nothing and is content. */
const MIN_MODULES = 16;

/** Imports go downwards only, as ARCHITECTURE.md draws them. The rules are in .dependency-cruiser.cjs. */
export const imports: Gate = {
  name: "imports",
  async run(root) {
    const folders = ["packages", "tests", "examples", "scripts"].filter((folder) => exists(root, folder));
    const output = await runTool(root, "depcruise", [...folders, "--config", ".dependency-cruiser.cjs", "--output-type", "json"]);
    let cruise: Cruise;
    try {
      cruise = JSON.parse(output.stdout) as Cruise;
    } catch {
      return verdict(linesOf(output));
    }
    const findings = cruise.summary.violations
      .filter((violation) => violation.rule.severity === "error")
      .map((violation) => {
        const cycle = violation.cycle === undefined ? "" : ` (${violation.cycle.map((step) => step.name).join(" → ")})`;
        return `${violation.rule.name}: ${violation.from} → ${violation.to}${cycle}`;
      });
    const sources = cruise.modules.filter((module) => /^packages\/[^/]+\/src\//.test(module.source));
    const crossing = sources.filter((module) =>
      module.dependencies.some((to) => to.resolved.startsWith("packages/") && packageOf(to.resolved) !== packageOf(module.source)),
    );
    if (sources.length < MIN_MODULES)
      findings.push(`too-few-modules: ${sources.length} sources were read, at least ${MIN_MODULES} expected`);
    if (crossing.length === 0) findings.push("no-crossing-seen: not one import between packages was resolved to its source");
    return verdict(findings, `${cruise.summary.totalCruised} modules`);
  },
};

function packageOf(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}
