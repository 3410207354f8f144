import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, isGenerated, textOf } from "./tree.ts";

const MAX_LINES = 600;
const ALARM_LINES = 400;

/** No source file has more than 600 lines; above 400 it is named, so that somebody cuts it. Generated files are exempt. */
export const sizes: Gate = {
  name: "sizes",
  run(root) {
    const findings: string[] = [];
    const warnings: string[] = [];
    let largest = 0;
    const files = filesOf(root, (path) => /\.(ts|mts|js|mjs|cjs)$/.test(path));
    for (const path of files) {
      const text = textOf(root, path);
      if (isGenerated(text)) continue;
      const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
      largest = Math.max(largest, lines);
      if (lines > MAX_LINES) findings.push(`${path}: ${lines} lines, at most ${MAX_LINES}`);
      else if (lines > ALARM_LINES) warnings.push(`${path}: ${lines} lines, aim at 300`);
    }
    return Promise.resolve(verdict(findings, `${files.length} files, largest ${largest} lines`, warnings));
  },
};
