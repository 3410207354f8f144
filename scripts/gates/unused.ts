import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { linesOf, runTool } from "./tool.ts";

interface KnipReport {
  issues: ({ file: string } & Record<string, { name: string; line?: number }[] | string>)[];
}

/** No file, export or dependency is there for nobody. What only a test uses counts as used. */
export const unused: Gate = {
  name: "unused",
  async run(root) {
    const output = await runTool(root, "knip", ["--reporter", "json", "--no-progress"]);
    if (output.code === 0) return verdict([]);
    let report: KnipReport;
    try {
      report = JSON.parse(output.stdout) as KnipReport;
    } catch {
      return verdict(linesOf(output));
    }
    const findings: string[] = [];
    for (const issue of report.issues) {
      for (const [kind, items] of Object.entries(issue)) {
        if (!Array.isArray(items)) continue;
        for (const item of items) {
          const where = item.line === undefined ? issue.file : `${issue.file}:${item.line}`;
          findings.push(kind === "files" ? `${where}: unused file` : `${where}: ${kind}: ${item.name}`);
        }
      }
    }
    return verdict(findings.length > 0 ? findings : linesOf(output));
  },
};
