import type { Command } from "commander";
import { CommandError, ExitStatus } from "../exit-status.ts";

/** What the measurements' package offers. */
interface Bench {
  readonly runBench?: (name: string | undefined, options: { json: boolean }) => Promise<unknown>;
}

/** Adds `kwik bench`. */
export function addBench(program: Command): void {
  program
    .command("bench")
    .summary("measure kwik on this machine")
    .description("Runs the project's own measurements, or the one that is named.")
    .argument("[name]", "which one; all of them if left out")
    .option("--json", "print the results as JSON")
    .addHelpText("after", "\nExample:\n  $ kwik bench --json")
    .action(bench);
}

async function bench(name: string | undefined, flags: { readonly json?: boolean }): Promise<void> {
  const { runBench }: Bench = await import("@kwik/bench");
  if (runBench === undefined) throw new CommandError(ExitStatus.fault, "this build has no measurements (the package @kwik/bench is empty)");
  const status = await runBench(name, { json: flags.json === true });
  if (typeof status === "number" && status !== 0) process.exitCode = status;
}
