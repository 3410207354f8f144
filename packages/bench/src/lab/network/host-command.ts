import { execFileSync } from "node:child_process";

const COMMAND_TIMEOUT_MS = 10_000;

/** Runs a program to its end; its standard output. Throws with what it said when it fails. */
export function hostCommand(program: string, args: readonly string[], input?: string): string {
  return execFileSync(program, args, {
    encoding: "utf8",
    stdio: "pipe",
    timeout: COMMAND_TIMEOUT_MS,
    ...(input === undefined ? {} : { input }),
  });
}

/** The same, but a failure is of no interest. */
export function tryHostCommand(program: string, args: readonly string[]): void {
  try {
    hostCommand(program, args);
  } catch {
    // what was to be removed is gone already
  }
}
