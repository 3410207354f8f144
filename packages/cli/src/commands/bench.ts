import { type Command, InvalidArgumentError } from "commander";

interface BenchFlags {
  readonly json?: boolean;
  readonly only?: string;
  readonly repeats?: number;
  readonly contenders?: string;
  readonly out?: string;
}

/** Adds `kwik bench`. */
export function addBench(program: Command): void {
  program
    .command("bench")
    .summary("measure kwik on this machine")
    .description(
      "Runs the project's own measurements, or the one that is named. `lab` is the laboratory of unequal lines and faults, `flames` draws where bulk transfers spend their time.",
    )
    .argument("[name]", 'which one; all of them but "lab" and "flames" if left out')
    .option("--json", "print the results as JSON")
    .option("--only <pattern>", "lab: cells whose name matches")
    .option("--repeats <n>", "lab: runs of each contender, instead of each cell's own number", positiveInteger)
    .option("--contenders <names>", "lab: names, or what they begin with, with commas between: kwik,engine,tcp,mptcp,aria2")
    .option("--out <dir>", "lab: write the table of runs, charts and a page into this directory; flames: the flame graphs (default: here)")
    .addHelpText(
      "after",
      `
Examples:
  $ kwik bench --json
  $ kwik bench lab --only "unequal" --repeats 1       Linux, as root: it makes network namespaces
  $ kwik bench flames --out docs/performance`,
    )
    .action(bench);
}

async function bench(name: string | undefined, flags: BenchFlags): Promise<void> {
  const { runBench, runFlames, runLab } = await import("@kwik/bench");
  if (name === "flames") {
    process.exitCode = await runFlames(flags.out ?? ".");
    return;
  }
  if (name !== "lab") {
    process.exitCode = await runBench(name, { json: flags.json === true });
    return;
  }
  process.exitCode = await runLab({
    json: flags.json === true,
    only: flags.only,
    repeats: flags.repeats,
    contenders: flags.contenders?.split(","),
    out: flags.out,
  });
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("Write a whole number from 1 on.");
}
