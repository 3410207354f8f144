import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of this repository's own tools; fixtures are checked with them too. */
const TOOLS = join(dirname(fileURLToPath(import.meta.url)), "../../node_modules/.bin");

export interface ToolOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool of the workspace (`biome`, `tsc`, `node`, …) in `cwd` and collects what it says. Never rejects for a bad exit code. */
export function runTool(cwd: string, tool: string, args: readonly string[]): Promise<ToolOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(TOOLS, tool), args, {
      cwd,
      env: { ...process.env, PATH: `${TOOLS}${delimiter}${process.env["PATH"] ?? ""}`, NO_COLOR: "1", FORCE_COLOR: undefined },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code: code ?? 1, stdout, stderr });
    });
  });
}

/** The lines of a tool's output that say something. */
export function linesOf(output: ToolOutput): string[] {
  return `${output.stdout}\n${output.stderr}`.split("\n").filter((line) => line.trim() !== "");
}
