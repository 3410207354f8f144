import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostCommand } from "./host-command.ts";

const READY_MS = 5_000;

/** What one direction of a link emulator did. */
export interface EmulatedDirection {
  readonly packets: number;
  readonly bytes: number;
  /** Its own queue was full: the result is the emulator's, not the line's. */
  readonly dropped: number;
  readonly refused: number;
  readonly mostWaiting: number;
  /** How much later than it should a packet left, in microseconds. */
  readonly lateP50Us: number;
  readonly lateP99Us: number;
  readonly lateMaxUs: number;
}

export interface EmulatorReport {
  readonly forward: EmulatedDirection;
  readonly backward: EmulatedDirection;
  readonly cpuSeconds: number;
}

/** Compiles the emulator into `directory`; the program's path. */
export function compileEmulator(directory: string): string {
  // From the sources and from what is built of them alike.
  const source = fileURLToPath(new URL("../../../src/lab/network/link-emulator.c", import.meta.url));
  const program = join(directory, "link-emulator");
  hostCommand("gcc", ["-O2", "-o", program, source]);
  return program;
}

/** Where an emulator's device is. */
export interface EmulatorEnd {
  readonly namespace: string;
  readonly device: string;
}

/** One running emulator: two TUN devices and the delay between them. */
export class LinkEmulator {
  readonly #child: ChildProcess;
  #output = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (data: Buffer) => (this.#output += data.toString()));
  }

  /** Starts it; the devices exist when it resolves. */
  static async start(program: string, ends: readonly [EmulatorEnd, EmulatorEnd], delayMs: number, jitterMs: number): Promise<LinkEmulator> {
    const names = ends.flatMap((end) => [end.namespace, end.device]);
    const numbers = [delayMs, jitterMs].map((ms) => `${Math.round(ms * 1000)}`);
    // It ends with its standard input, so a killed laboratory leaves none behind.
    const child = spawn(program, [...names, ...numbers], { stdio: ["pipe", "pipe", "inherit"] });
    const emulator = new LinkEmulator(child);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the link emulator does not start")), READY_MS);
      const settle = (): void => clearTimeout(timer);
      child.once("error", reject);
      child.once("exit", (code) => {
        settle();
        reject(new Error(`the link emulator ended with status ${code ?? "of a signal"}`));
      });
      child.stdout.once("data", () => {
        settle();
        resolve();
      });
    });
    return emulator;
  }

  /** Ends it; what it did. The devices go with it. */
  async stop(): Promise<EmulatorReport | undefined> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = new Promise((resolve) => this.#child.once("close", resolve));
      this.#child.kill("SIGTERM");
      await closed;
    }
    const line = /^\{.*\}$/m.exec(this.#output)?.[0];
    return line === undefined ? undefined : (JSON.parse(line) as EmulatorReport);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
