import { relative } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import type { ToolOutput } from "./tool.ts";
import { linesOf, runTool } from "./tool.ts";

interface LintFile {
  filePath: string;
  messages: { line?: number; ruleId: string | null; message: string; severity: number }[];
}

/** Biome's and typescript-eslint's rules: promises, exhaustive switches, types, and what the pure protocol must not name. */
export const lint: Gate = {
  name: "lint",
  async run(root) {
    const [biome, eslint] = await Promise.all([
      runTool(root, "biome", ["lint", "--reporter=github", "--max-diagnostics=none", "--error-on-warnings"]),
      runTool(root, "eslint", [".", "--format", "json", "--max-warnings", "0", "--no-warn-ignored"]),
    ]);
    return verdict([...biomeFindings(root, biome), ...eslintFindings(root, eslint)]);
  },
};

function biomeFindings(root: string, output: ToolOutput): string[] {
  if (output.code === 0) return [];
  const findings: string[] = [];
  for (const match of output.stdout.matchAll(/^::\w+ title=([^,]+),file=([^,]+),line=(\d+)[^:]*::(.*)$/gm)) {
    findings.push(`${relative(root, match[2] ?? "")}:${match[3] ?? ""} ${match[1] ?? ""}: ${match[4] ?? ""}`);
  }
  return findings.length > 0 ? findings : linesOf(output);
}

function eslintFindings(root: string, output: ToolOutput): string[] {
  if (output.code === 0) return [];
  let files: LintFile[];
  try {
    files = JSON.parse(output.stdout) as LintFile[];
  } catch {
    return linesOf(output);
  }
  return files.flatMap((file) =>
    file.messages.map((found) => {
      const where = relative(root, file.filePath).replaceAll("\\", "/");
      return `${where}:${found.line ?? 0} ${found.ruleId ?? "parse"}: ${found.message.replaceAll("\n", " ")}`;
    }),
  );
}
