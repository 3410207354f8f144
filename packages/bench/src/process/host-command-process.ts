import type { ChildProcess } from "node:child_process";
import type { LabNetwork } from "../lab/network/lab-network.ts";
import { kwikCommand } from "./kwik-command.ts";

const WAIT_MS = 20_000;

/** Starts a program on a host of the laboratory; `kwik` as the first word is this command. */
export async function startHostCommand(network: LabNetwork, host: number | "client", words: readonly string[]): Promise<HostCommand> {
  const [program, ...args] = words;
  const command = program === "kwik" ? [process.execPath, ...kwikCommand(), ...args] : words;
  return Promise.resolve(new HostCommand(words.slice(0, 2).join(" "), network.spawn(host, command, { stdio: ["ignore", "pipe", "pipe"] })));
}

/** A program on a host of the laboratory, and what it says. Disposing of it kills it. */
export class HostCommand implements Disposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";
  #hasEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    const look = (): void => {
      for (const waiting of this.#waiting) waiting();
    };
    child.stdout?.on("data", (data: Buffer) => {
      this.#stdout += data.toString();
      look();
    });
    child.stderr?.on("data", (data: Buffer) => {
      this.#stderr += data.toString();
      look();
    });
    child.once("close", () => {
      this.#hasEnded = true;
      look();
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The first line of its standard output. */
  async firstLine(): Promise<string> {
    await this.#until(() => this.#stdout.includes("\n"), WAIT_MS);
    return this.#stdout.slice(0, this.#stdout.indexOf("\n"));
  }

  /** Resolves when it has written a text to its standard error. */
  says(text: string): Promise<void> {
    return this.#until(() => this.#stderr.includes(text), WAIT_MS);
  }

  /** All of its standard output, once it has ended well. */
  async finished(): Promise<string> {
    await this.#until(() => this.#hasEnded, Infinity);
    if (this.#child.exitCode !== 0)
      throw new Error(`${this.#name} ended with status ${this.#child.exitCode ?? "of a signal"}: ${this.#stderr}`);
    return this.#stdout;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  [Symbol.dispose](): void {
    this.kill();
  }

  #until(isTrue: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        outcome();
      };
      const look = (): void => {
        if (isTrue()) settle(resolve);
        else if (this.#hasEnded) settle(() => reject(new Error(`${this.#name} ended: ${this.#stderr}`)));
      };
      const timer =
        timeoutMs === Infinity
          ? undefined
          : setTimeout(() => settle(() => reject(new Error(`${this.#name} did not become ready: ${this.#stderr}`))), timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }
}
