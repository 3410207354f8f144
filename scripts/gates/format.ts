import { relative } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { linesOf, runTool } from "./tool.ts";

/** The formatter has nothing to change. `npm run format` repairs. */
export const format: Gate = {
  name: "format",
  async run(root) {
    const output = await runTool(root, "biome", ["format", "--reporter=github", "--max-diagnostics=none"]);
    if (output.code === 0) return verdict([]);
    const files = [
      ...new Set([...output.stdout.matchAll(/file=([^,]+),/g)].map((match) => relative(root, match[1] ?? "").replaceAll("\\", "/"))),
    ];
    if (files.length === 0) return verdict(linesOf(output));
    return verdict(files.map((file) => `${file}: not formatted (npm run format)`));
  },
};
