// npm run fuzz: every decoder, and the state machine with hostile peers, for longer than npm test does. `--seconds 60` for each of them, `--seed N` as a failure says, `--only http3` for some files.
import { spawn } from "node:child_process";
import { parseOptions } from "./parse-options.ts";

const USAGE = "npm run fuzz -- [--seconds N] [--seed N] [--only WORD]";
/** Beyond the time that is given: starting, and an input that takes long. */
const MARGIN_MS = 120_000;

const values = parseOptions("fuzz", USAGE, {
  seconds: { type: "string", default: "30" },
  seed: { type: "string" },
  only: { type: "string" },
});
const seconds = Number(values.seconds);
if (!(seconds > 0) || (values.seed !== undefined && !Number.isInteger(Number(values.seed)))) {
  process.stderr.write(`fuzz: --seconds is above 0, --seed a whole number\n${USAGE}\n`);
  process.exit(2);
}
const child = spawn(
  "vitest",
  [
    "run",
    // What plays the state machine is named for what it plays.
    ...(values.only === undefined
      ? ["fuzz.test", "hostile-acts.test"]
      : values.only === "hostile-acts"
        ? ["hostile-acts.test"]
        : [`${values.only}-fuzz.test`]),
    `--testTimeout=${seconds * 1000 + MARGIN_MS}`,
  ],
  {
    stdio: "inherit",
    env: { ...process.env, KWIK_FUZZ_SECONDS: String(seconds), ...(values.seed === undefined ? {} : { KWIK_FUZZ_SEED: values.seed }) },
  },
);
child.once("exit", (code) => (process.exitCode = code ?? 1));
