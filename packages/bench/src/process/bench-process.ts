import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Question, Reply, RoleName } from "./role.ts";

/** How long one command may take, in milliseconds, unless it says otherwise. */
const COMMAND_TIMEOUT_MS = 60_000;

const here = fileURLToPath(import.meta.url);
const entry = fileURLToPath(new URL(`./role-process${extname(here)}`, import.meta.url));
const alive = new Set<ChildProcess>();
/** Temporary files of all these processes: they are killed, and leave theirs behind. */
let temporary: string | undefined;

/** A process of a measurement. Disposing of it kills it; it ends by itself when this process does. */
export class BenchProcess implements Disposable {
  readonly ready: unknown;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, Waiter>;
  #nextId = 1;

  private constructor(child: ChildProcess, waiting: Map<number, Waiter>, ready: unknown) {
    this.#child = child;
    this.#waiting = waiting;
    this.ready = ready;
    this.pid = child.pid ?? -1;
  }

  /** Starts a process and waits until it works. Rejects with what went wrong in it. */
  static async start(role: RoleName, argument: object = {}, nodeArguments: readonly string[] = []): Promise<BenchProcess> {
    if (temporary === undefined) {
      temporary = mkdtempSync(join(tmpdir(), "kwik-bench-"));
      process.once("exit", cleanUp);
    }
    const child = fork(entry, [role, JSON.stringify(argument)], {
      execArgv: [...process.execArgv, "--expose-gc", ...nodeArguments],
      env: { ...process.env, TMPDIR: temporary },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    alive.add(child);
    const waiting = new Map<number, Waiter>();
    child.on("message", (reply: Reply) => settle(waiting, reply));
    child.once("exit", (code, signal) => {
      alive.delete(child);
      const ending = signal === null ? `status ${code ?? 0}` : `signal ${signal}`;
      for (const waiter of waiting.values()) waiter.reject(new Error(`the ${role} process ended with ${ending}`));
      waiting.clear();
    });
    const ready = await new Promise((resolve, reject) => waiting.set(0, { resolve, reject }));
    return new BenchProcess(child, waiting, ready);
  }

  /** Asks for a command's result. */
  ask<T>(command: string, argument: object = {}, timeoutMs = COMMAND_TIMEOUT_MS): Promise<T> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${command} took longer than ${timeoutMs} ms`)), timeoutMs);
      this.#waiting.set(id, {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value as T);
        },
        reject: (reason) => {
          clearTimeout(timer);
          reject(reason);
        },
      });
      const question: Question = { id, command, argument };
      this.#child.send(question);
    });
  }

  /** Leaves all its threads one processor of the machine, from now on. Throws where there is no `taskset`. */
  pinTo(processor: number): void {
    execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", String(processor), String(this.pid)], { stdio: "pipe" });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

interface Waiter {
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

function settle(waiting: Map<number, Waiter>, reply: Reply): void {
  const waiter = waiting.get(reply.id);
  waiting.delete(reply.id);
  if (reply.error === undefined) waiter?.resolve(reply.value);
  else waiter?.reject(new Error(reply.error));
}

function cleanUp(): void {
  for (const child of alive) child.kill("SIGKILL");
  if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
}
