import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { formatAddress, type NodeListenOptions, parseAddress } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "../../exit-status.ts";
import type { ServeFlags } from "../serve-flags.ts";
import type { FromProcess, ReadyMessage, ToProcess } from "./process-message.ts";

/** The first pause before a process that ended is started again, in milliseconds; each one after it is twice as long. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A process that served for so long is started again as if it were the first time. */
const PROVEN_MS = 10_000;
/** Time for a process to say that it serves, in milliseconds. */
const READY_MS = 30_000;

const here = fileURLToPath(import.meta.url);
const entry = fileURLToPath(new URL(`./server-process${extname(here)}`, import.meta.url));

export interface ProcessGroupOptions {
  readonly dir: string;
  readonly flags: ServeFlags;
  /** The certificate, each time that a process is started: files may have changed meanwhile. */
  readonly tls: () => Promise<Exclude<NodeListenOptions["tls"], string>>;
  readonly log: (text: string) => void;
}

interface Member {
  readonly index: number;
  readonly flags: ServeFlags;
  /** Where it is to listen: the port is a certain one as soon as it is known. */
  address: string;
  child: ChildProcess | undefined;
  ready: ReadyMessage | undefined;
  sessions: number;
  pauseMs: number;
  restart: NodeJS.Timeout | undefined;
}

/** The processes of one server: each listens at a port of its own, all have one key and one directory. Who ends is started again at the same port. */
export class ProcessGroup {
  readonly #options: ProcessGroupOptions;
  readonly #members: readonly Member[];
  #isStopping = false;
  #worst: ExitStatus = ExitStatus.done;
  #isTelling = false;

  private constructor(options: ProcessGroupOptions) {
    this.#options = options;
    const { flags } = options;
    this.#members = Array.from({ length: flags.processes }, (_, index) => ({
      index,
      flags: flagsOf(flags, index),
      address: addressOf(flags.listen, index, "--listen"),
      child: undefined,
      ready: undefined,
      sessions: 0,
      pauseMs: FIRST_PAUSE_MS,
      restart: undefined,
    }));
  }

  /** Starts all of them. Rejects with CommandError if one cannot serve; then none does. */
  static async start(options: ProcessGroupOptions): Promise<ProcessGroup> {
    const group = new ProcessGroup(options);
    try {
      await Promise.all(group.#members.map((member) => group.#start(member)));
    } catch (error) {
      group.#isStopping = true;
      for (const { child } of group.#members) child?.kill("SIGKILL");
      throw error;
    }
    for (const member of group.#members) group.#watch(member);
    group.#tellOthers();
    return group;
  }

  /** What each of them said when it began to serve, in order of their ports, with the number of its process. */
  get servers(): readonly (ReadyMessage & { readonly pid: number })[] {
    return this.#members.flatMap(({ ready, child }) => (ready === undefined ? [] : [{ ...ready, pid: child?.pid ?? -1 }]));
  }

  /** Passes a signal on. */
  signal(signal: NodeJS.Signals): void {
    for (const { child } of this.#members) child?.kill(signal);
  }

  /** Lets all of them finish what they have. Answers 0 if each did so in order. */
  async stop(): Promise<ExitStatus> {
    this.#isStopping = true;
    const ends = this.#members.map(async ({ child, restart }) => {
      clearTimeout(restart);
      if (child === undefined || isOver(child)) return;
      const end = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      await end;
    });
    await Promise.all(ends);
    return this.#worst;
  }

  async #start(member: Member): Promise<void> {
    const tls = await this.#options.tls();
    // Ctrl-C in a terminal is for the first process alone, which passes it on once. The channel ends this one with it.
    const child = fork(entry, [], { execArgv: [...process.execArgv], stdio: ["ignore", "ignore", "inherit", "ipc"], detached: true });
    member.child = child;
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (sentence: string, status: ExitStatus): void => {
          clearTimeout(timer);
          child.kill("SIGKILL");
          reject(new CommandError(status, sentence));
        };
        const timer = setTimeout(
          () => fail(`process ${member.index + 1} was not ready within ${READY_MS / 1000} s`, ExitStatus.fault),
          READY_MS,
        );
        child.once("error", (error) => fail(`process ${member.index + 1} could not be started: ${sentenceOf(error)}`, ExitStatus.local));
        child.once("exit", (code, signal) =>
          fail(`process ${member.index + 1} ended before it was ready, ${endOf(code, signal)}`, ExitStatus.fault),
        );
        child.on("message", (message: FromProcess) => {
          if (message.kind === "load") this.#loaded(member, message.sessions);
          else if (message.kind === "failed") fail(message.sentence, message.status);
          else {
            clearTimeout(timer);
            member.ready = message;
            member.address = withPort(member.address, message.address);
            member.sessions = 0;
            resolve();
          }
        });
        send(child, { kind: "start", dir: this.#options.dir, flags: { ...member.flags, listen: member.address }, tls });
      });
    } catch (error) {
      member.child = undefined;
      throw error;
    }
  }

  /** Starts it again when it ends. */
  #watch(member: Member): void {
    const { child } = member;
    if (child === undefined) return;
    const startedAt = performance.now();
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      member.ready = undefined;
      if (this.#isStopping) {
        if (code !== 0) this.#worst = code === ExitStatus.interrupted ? ExitStatus.interrupted : ExitStatus.fault;
        return;
      }
      this.#tellOthers();
      if (performance.now() - startedAt >= PROVEN_MS) member.pauseMs = FIRST_PAUSE_MS;
      this.#options.log(`process ${member.index + 1} at ${member.address} ended, ${endOf(code, signal)}; it is started again`);
      this.#startLater(member);
    };
    // It may have ended since it was ready.
    if (isOver(child)) ended(child.exitCode, child.signalCode);
    else child.once("exit", ended);
  }

  #startLater(member: Member): void {
    const { pauseMs } = member;
    member.pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
    member.restart = setTimeout(() => {
      this.#start(member).then(
        () => {
          if (this.#isStopping) return void member.child?.kill("SIGTERM");
          this.#watch(member);
          this.#tellOthers();
        },
        (error: unknown) => {
          if (this.#isStopping) return;
          this.#options.log(`process ${member.index + 1} at ${member.address} cannot be started again yet: ${sentenceOf(error)}`);
          this.#startLater(member);
        },
      );
    }, pauseMs);
  }

  #loaded(member: Member, sessions: number): void {
    member.sessions = sessions;
    if (this.#isTelling) return;
    // All that changed in one turn is told at once.
    this.#isTelling = true;
    setImmediate(() => {
      this.#isTelling = false;
      this.#tellOthers();
    });
  }

  #tellOthers(): void {
    const loads = this.#members.map(({ ready, sessions }) => ready && { port: parseAddress(ready.address).port, sessions });
    for (const { child, ready, index } of this.#members) {
      if (child === undefined || ready === undefined) continue;
      send(child, { kind: "others", others: loads.filter((load, other) => load !== undefined && other !== index) as never });
    }
  }
}

function flagsOf(flags: ServeFlags, index: number): ServeFlags {
  return {
    ...flags,
    name: `${flags.name ?? "process"}-${index + 1}`,
    ...(flags.metrics === undefined ? {} : { metrics: addressOf(flags.metrics, index, "--metrics") }),
  };
}

/** The address of one process: ports follow each other, unless each takes any free one. Throws a usage error where there are not so many ports. */
function addressOf(text: string, index: number, flag: string): string {
  const address = parseAddress(text);
  const port = address.port === 0 ? 0 : address.port + index;
  if (port > 65_535)
    throw new CommandError(
      ExitStatus.usage,
      `${flag} ${text} leaves only ${index} ports up to 65535; begin lower, or with fewer --processes`,
    );
  return formatAddress({ ...address, port });
}

/** The address as it was asked for, with the port that it got. */
function withPort(asked: string, bound: string): string {
  return formatAddress({ ...parseAddress(asked), port: parseAddress(bound).port });
}

function send(child: ChildProcess, message: ToProcess): void {
  // Who is gone meanwhile is seen to have ended.
  if (child.connected) child.send(message, () => undefined);
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `with status ${code ?? 0}` : `by ${signal}`;
}
