// npm run chaos: servers and clients as processes on a network of namespaces, and everything goes wrong. See docs/reliability.md.
import { randomInt } from "node:crypto";
import { NETWORK_PROGRAMS, prepareTools } from "@kwik/bench/network";
import { FAULT_KINDS, type FaultKind } from "./plan/fault.ts";
import { parseOptions } from "../../scripts/parse-options.ts";
import { jsonOf, progressLine, summaryOf } from "./report.ts";
import { runChaos } from "./run-chaos.ts";

const USAGE = `npm run chaos -- [--seconds N] [--seed N] [--faults ${FAULT_KINDS.join(",")} | none] [--json] [--quiet]`;
const MAX_SEED = 2 ** 31;
const QUIET_LINE_S = 10;

const isTerminal = process.stderr.isTTY;

const values = parseOptions("chaos", USAGE, {
  seconds: { type: "string", default: "600" },
  seed: { type: "string" },
  faults: { type: "string" },
  json: { type: "boolean", default: false },
  quiet: { type: "boolean", default: false },
});

const seconds = number("seconds", values.seconds, 5, 86_400);
const seed = values.seed === undefined ? randomInt(MAX_SEED) : number("seed", values.seed, 0, MAX_SEED);
const kinds = values.faults === undefined ? FAULT_KINDS : values.faults === "none" ? [] : values.faults.split(",").map(kindOf);
const problem = prepareTools(NETWORK_PROGRAMS.filter((program) => program !== "ping"));
if (problem !== undefined) fail(`cannot run here: ${problem}`);

const faults = values.faults === undefined ? "" : ` --faults ${values.faults}`;
const again = `npm run chaos -- --seed ${seed} --seconds ${seconds}${faults}`;
say(`chaos: seed ${seed}, ${seconds} s; again with ${again}`);
let toldAt = 0;
const result = await runChaos({
  seed,
  seconds,
  kinds,
  onEvent: (line) => {
    if (!values.quiet || line.includes("BROKEN")) say(line);
  },
  onProgress: (progress) => {
    if (isTerminal) process.stderr.write(`\r\x1b[K${progressLine(progress)}`);
    else if (progress.seconds - toldAt >= QUIET_LINE_S) {
      toldAt = progress.seconds;
      say(progressLine(progress));
    }
  },
}).catch((error: unknown) => {
  process.stderr.write(`chaos: the run itself failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
if (values.json) process.stdout.write(`${JSON.stringify({ ...jsonOf(result), again })}\n`);
else process.stdout.write(`${summaryOf(result)}\n`);
if (result.violations.length > 0) say(`chaos: broken; again with ${again}`);
process.exitCode = result.violations.length > 0 ? 1 : 0;

function say(line: string): void {
  process.stderr.write(`${isTerminal ? "\r\x1b[K" : ""}${line}\n`);
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) fail(`--${name} is a whole number from ${least} to ${most}\n${USAGE}`);
  return value;
}

function kindOf(text: string): FaultKind {
  const kind = FAULT_KINDS.find((one) => one === text);
  if (kind === undefined) fail(`there is no fault "${text}"\n${USAGE}`);
  return kind;
}

function fail(text: string): never {
  process.stderr.write(`chaos: ${text}\n`);
  process.exit(2);
}
