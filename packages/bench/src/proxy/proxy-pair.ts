import { readFileSync } from "node:fs";
import { type ChildProcess, spawn } from "node:child_process";
import { jsonLineOf } from "../process/json-line.ts";
import { kwikCommand } from "../process/kwik-command.ts";

const READY_MS = 15_000;

/** A `kwik proxy` and a `kwik gateway` on this machine, with one path between them. */
export class ProxyPair implements Disposable {
  /** The ports that lead to the targets, in their order. */
  readonly ports: readonly number[];
  readonly #proxy: ChildProcess;
  readonly #gateway: ChildProcess;

  private constructor(ports: readonly number[], proxy: ChildProcess, gateway: ChildProcess) {
    this.ports = ports;
    this.#proxy = proxy;
    this.#gateway = gateway;
  }

  /** Works in the kwik command only, which it starts again. */
  static async start(transport: "quic" | "tcp", targets: readonly number[]): Promise<ProxyPair> {
    const allowed = ["--allow", "127.0.0.0/8:*", "--max-connections-per-client", "2000"];
    const gateway = serve(["gateway", "--listen", "127.0.0.1:0", "--self-signed", ...allowed, "--json"]);
    let proxy: ChildProcess | undefined;
    try {
      const { url, identity } = JSON.parse(await jsonLineOf(gateway, READY_MS)) as { url: string; identity: string };
      const forwards = targets.flatMap((target) => ["-L", `0:127.0.0.1:${target}`]);
      proxy = serve(["proxy", url.replace("kwik://", `kwik+${transport}://`), "--pin", identity, ...forwards, "--json"]);
      const { listeners } = JSON.parse(await jsonLineOf(proxy, READY_MS)) as { listeners: { address: string }[] };
      const ports = listeners.map(({ address }) => Number(address.slice(address.lastIndexOf(":") + 1)));
      return new ProxyPair(ports, proxy, gateway);
    } catch (error) {
      for (const child of [proxy, gateway]) child?.kill("SIGKILL");
      throw error;
    }
  }

  /** Memory of both, as the system counts it, in bytes: what could be collected is in it. Linux only. */
  residentBytes(): { readonly proxy: number; readonly gateway: number } {
    return { proxy: residentBytesOf(this.#proxy), gateway: residentBytesOf(this.#gateway) };
  }

  [Symbol.dispose](): void {
    for (const child of [this.#proxy, this.#gateway]) child.kill("SIGKILL");
  }
}

/** It ends with this process, whatever happens, and its log is not shown. */
function serve(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [...kwikCommand(), ...args], { stdio: ["ignore", "pipe", "ignore", "ipc"] });
}

function residentBytesOf(child: ChildProcess): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
  return Number(kibibytes) * 1024;
}
