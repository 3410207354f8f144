import type { ChildProcess } from "node:child_process";
import type { Question, Reply } from "../../process/role.ts";
import type { LabNetwork } from "../network/lab-network.ts";
import { LAB_PROCESS_FILE } from "./lab-process.ts";
import type { LabRoleName } from "./lab-role.ts";

const START_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 10_000;

interface Waiter {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

/** A Node process on one host of the laboratory. Disposing of it kills it. */
export class HostProcess implements Disposable {
  readonly ready: unknown;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, Waiter>;
  readonly #name: string;
  #nextId = 1;

  private constructor(name: string, child: ChildProcess, waiting: Map<number, Waiter>, ready: unknown) {
    this.#name = name;
    this.#child = child;
    this.#waiting = waiting;
    this.ready = ready;
  }

  /** Starts it, under another program if `wrapper` names one, and waits until it works. Rejects with what went wrong in it. */
  static async start(
    network: LabNetwork,
    host: number | "client",
    role: LabRoleName,
    argument: object = {},
    wrapper: readonly string[] = [],
  ): Promise<HostProcess> {
    const command = [...wrapper, process.execPath, ...process.execArgv, LAB_PROCESS_FILE, role, JSON.stringify(argument)];
    const child = network.spawn(host, command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const waiting = new Map<number, Waiter>();
    child.on("message", (reply: Reply) => {
      const waiter = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.error === undefined) waiter?.resolve(reply.value);
      else waiter?.reject(new Error(reply.error));
    });
    child.on("error", () => undefined);
    child.once("exit", (code, signal) => {
      const error = new Error(`the ${role} process ended with ${signal === null ? `status ${code ?? 0}` : `signal ${signal}`}`);
      for (const waiter of waiting.values()) waiter.reject(error);
      waiting.clear();
    });
    const started = new Promise((resolve, reject) => waiting.set(0, { resolve, reject }));
    try {
      return new HostProcess(role, child, waiting, await within(started, START_TIMEOUT_MS, `the ${role} process does not start`));
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Asks for a command's result; rejects when it fails or takes too long. */
  async ask<T>(command: string, argument: object = {}, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
    const id = this.#nextId;
    this.#nextId += 1;
    if (!this.#child.connected) throw new Error(`the ${this.#name} process is over`);
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const question: Question = { id, command, argument };
    this.#child.send(question, () => undefined);
    return (await within(answered, timeoutMs, `${command} took longer than ${Math.round(timeoutMs / 1000)} s`)) as T;
  }

  /** Processor time so far, in seconds; 0 once it is over. */
  async cpuSeconds(): Promise<number> {
    return this.ask<number>("cpu").catch(() => 0);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  [Symbol.dispose](): void {
    this.kill();
  }
}

async function within<T>(work: Promise<T>, timeoutMs: number, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
