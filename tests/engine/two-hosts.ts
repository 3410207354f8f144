import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { missingPrograms } from "../debian/programs.ts";

/** The server's addresses: the first is the primary one, from which replies leave. */
export const SERVER_ADDRESS = "10.77.0.1";
export const SERVER_SECOND_ADDRESS = "10.77.0.3";
const CLIENT_ADDRESS = "10.77.0.2";

const COMMAND_TIMEOUT_MS = 10_000;

/** Names of the namespaces begin with this and the process id of their owner, so that what a killed run left is found again. */
const NAME_PREFIX = "kwik-test-";

export type Host = "client" | "server";

/** Two network namespaces, "client" and "server", on one wire with an MTU of 1500. */
export class TwoHosts {
  readonly #tag = randomBytes(3).toString("hex");
  readonly #children = new Set<ChildProcess>();
  readonly #onExit = (): void => this.remove();

  /** Makes them, or says why that is not possible here. Root only. Installs iproute2 if it is missing. */
  static make(): TwoHosts | string {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return "network namespaces can be made by root on Linux only";
    const missing = missingPrograms({ "/usr/bin/ip": "iproute2" });
    if (missing !== undefined) return missing;
    removeStale();
    const hosts = new TwoHosts();
    try {
      hosts.#build();
      return hosts;
    } catch (error) {
      hosts.remove();
      return `no network namespaces can be made here: ${firstLine(error)}`;
    }
  }

  /** Runs `ip` on a host. */
  ip(host: Host, ...args: readonly string[]): string {
    return run("ip", "-n", this.#name(host), ...args);
  }

  /** Runs `tc` on a host. */
  tc(host: Host, ...args: readonly string[]): string {
    return run("tc", "-n", this.#name(host), ...args);
  }

  /** Network interface of a host. */
  device(host: Host): string {
    return `kw${host === "client" ? "c" : "s"}${this.#tag}`;
  }

  /** Runs a TypeScript file beside this one on a host, with an IPC channel. */
  start(host: Host, script: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
    const file = fileURLToPath(new URL(script, import.meta.url));
    // `ip netns exec` becomes the program, so that the child is node itself and has the channel.
    const child = spawn("ip", ["netns", "exec", this.#name(host), process.execPath, "--conditions=kwik-source", file], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    child.on("error", () => undefined);
    return child;
  }

  /** Ends the processes on the hosts; the hosts stay. */
  stopProcesses(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** Takes everything away. May be called again. */
  remove(): void {
    process.off("exit", this.#onExit);
    this.stopProcesses();
    for (const host of ["client", "server"] as const) removeNamespace(this.#name(host));
  }

  #build(): void {
    process.on("exit", this.#onExit);
    for (const host of ["client", "server"] as const) run("ip", "netns", "add", this.#name(host));
    const [client, server] = [this.device("client"), this.device("server")];
    // Both ends are born inside, so that nothing appears on this machine's own network.
    run("ip", "link", "add", client, "netns", this.#name("client"), "type", "veth", "peer", "name", server, "netns", this.#name("server"));
    this.ip("client", "addr", "add", `${CLIENT_ADDRESS}/24`, "dev", client);
    this.ip("server", "addr", "add", `${SERVER_ADDRESS}/24`, "dev", server);
    this.ip("server", "addr", "add", `${SERVER_SECOND_ADDRESS}/24`, "dev", server);
    for (const host of ["client", "server"] as const) {
      this.ip(host, "link", "set", "lo", "up");
      this.ip(host, "link", "set", this.device(host), "mtu", "1500", "up");
    }
  }

  #name(host: Host): string {
    return `${NAME_PREFIX}${process.pid}-${this.#tag}-${host}`;
  }
}

/** The next message of a child that `wanted` accepts. Rejects when the child ends, or after `timeoutMs`. */
export function nextMessage<T>(child: ChildProcess, wanted: (message: unknown) => message is T, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
    };
    const onMessage = (message: unknown): void => {
      if (!wanted(message)) return;
      stop();
      resolve(message);
    };
    const onExit = (code: number | null): void => {
      stop();
      reject(new Error(`the process ended with ${code}`));
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`the process did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: "pipe", timeout: COMMAND_TIMEOUT_MS });
}

/** Removes the namespaces of runs that were killed. */
function removeStale(): void {
  for (const line of run("ip", "netns", "list").split("\n")) {
    const name = line.split(" ")[0] ?? "";
    const owner = new RegExp(`^${NAME_PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) removeNamespace(name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function removeNamespace(name: string): void {
  try {
    run("ip", "netns", "del", name);
  } catch {
    // never made, or already gone
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, " ").slice(0, 200);
}
