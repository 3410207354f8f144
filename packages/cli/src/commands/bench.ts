import type { Command } from "commander";

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
  const { runBench } = await import("@kwik/bench");
  process.exitCode = await runBench(name, { json: flags.json === true });
}
