import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ForeignServer, freePort, pathOf } from "./foreign-program.ts";

const execute = promisify(execFile);

/** A Redis of its own, which keeps nothing. */
export class Redis implements Disposable {
  readonly port: number;
  readonly #server: ForeignServer;

  private constructor(port: number, server: ForeignServer) {
    this.port = port;
    this.#server = server;
  }

  /** Rejects with what is missing. */
  static async start(folder: string): Promise<Redis> {
    const program = pathOf("redis-server");
    if (program === undefined || pathOf("redis-benchmark") === undefined) throw new Error("needs redis-server and redis-benchmark");
    const port = await freePort();
    const settings = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: folder };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    return new Redis(port, await ForeignServer.start([port], program, flags));
  }

  /** Of a command, through a port that leads here. */
  async requestsPerSecond(port: number, command: "set" | "get", clients: number, requests: number): Promise<number> {
    const load = ["-c", String(clients), "-n", String(requests), "-t", command, "--csv"];
    const { stdout } = await execute("redis-benchmark", ["-h", "127.0.0.1", "-p", String(port), ...load], { timeout: 60_000 });
    return Number(/^"(?:SET|GET)","([\d.]+)"/m.exec(stdout)?.[1]);
  }

  [Symbol.dispose](): void {
    this.#server[Symbol.dispose]();
  }
}
