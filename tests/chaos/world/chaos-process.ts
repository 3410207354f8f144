import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import type { Tally } from "../load/tally.ts";
import type { Message, Question } from "../process/messages.ts";
import type { ProcessState } from "../process/process-state.ts";

/** Reading the sources takes a second, and much longer on a machine that does something else. */
const START_MS = 90_000;
/** Much longer than any process is stopped. */
const ANSWER_MS = 60_000;

/** Who hears what a process says of itself. */
export interface ChaosListener {
  onTally(tally: Tally): void;
  /** An invariant is broken, or the process ended by itself. */
  onViolation(text: string): void;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** A server or client process of a run. */
export class ChaosProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiter>();
  readonly #ended: Promise<unknown>;
  #isExpectedToEnd = false;
  #nextId = 1;

  private constructor(name: string, child: ChildProcess, listener: ChaosListener) {
    this.name = name;
    this.#child = child;
    this.#ended = once(child, "exit").then(() => {
      const how = child.signalCode === null ? `status ${child.exitCode ?? 0}` : `signal ${child.signalCode}`;
      if (!this.#isExpectedToEnd) listener.onViolation(`${name} ended by itself with ${how}`);
      for (const waiter of this.#waiting.values()) waiter.reject(new Error(`${name} ended with ${how}`));
      this.#waiting.clear();
      return how;
    });
    child.on("message", (message: Message) => {
      if (message.type === "tally") listener.onTally(message.tally);
      else if (message.type === "violation") listener.onViolation(`${name}: ${message.text}`);
      else this.#settle(message);
    });
    child.on("error", () => undefined);
  }

  /** Starts a TypeScript file and waits until it works. */
  static async start(
    name: string,
    {
      spawn,
      file,
      argument,
      listener,
    }: {
      /** Runs a program where the process is to be. */
      readonly spawn: (command: readonly string[], options: SpawnOptions) => ChildProcess;
      readonly file: string;
      readonly argument: object;
      readonly listener: ChaosListener;
    },
  ): Promise<ChaosProcess> {
    const command = [process.execPath, "--conditions=kwik-source", "--expose-gc", file, JSON.stringify(argument)];
    const child = spawn(command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const started = new ChaosProcess(name, child, listener);
    await started.#answer(0, START_MS, "start");
    return started;
  }

  ask<T>(command: string, argument: object = {}, timeoutMs = ANSWER_MS): Promise<T> {
    if (!this.#child.connected) return Promise.reject(new Error(`${this.name} is over`));
    const id = this.#nextId;
    this.#nextId += 1;
    const answered = this.#answer(id, timeoutMs, command);
    const question: Question = { id, command, argument };
    this.#child.send(question, () => undefined);
    return answered as Promise<T>;
  }

  state(): Promise<ProcessState> {
    return this.ask("state");
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#isExpectedToEnd = true;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Lets it end by itself, which it does unless something was left open. Answers whether it did in time; kills it otherwise. */
  async leave(timeoutMs: number): Promise<boolean> {
    this.#isExpectedToEnd = true;
    await this.ask("leave");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), timeoutMs)));
    const how = await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    if (how === undefined) await this.kill();
    return how === "status 0";
  }

  #settle({ id, value, error }: Message & { readonly type: "answer" }): void {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiter?.resolve(value);
    else waiter?.reject(new Error(`${this.name}: ${error}`));
  }

  #answer(id: number, timeoutMs: number, what: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.name} did not ${what} within ${timeoutMs / 1000} s`));
      }, timeoutMs);
      const settled = (): void => clearTimeout(timer);
      this.#waiting.set(id, {
        resolve: (value) => {
          settled();
          resolve(value);
        },
        reject: (reason) => {
          settled();
          reject(reason);
        },
      });
    });
  }
}
