import { execFile, execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ForeignServer, freePort, pathOf, type User, userOf } from "./foreign-program.ts";

const execute = promisify(execFile);
/** Where Debian keeps the programs of each version. */
const VERSIONS = "/usr/lib/postgresql";
/** Of pgbench: 100,000 rows each. */
const SCALE = 10;

/** A PostgreSQL of its own with the tables of pgbench. */
export class Postgres implements Disposable {
  readonly port: number;
  readonly #server: ForeignServer;

  private constructor(port: number, server: ForeignServer) {
    this.port = port;
    this.#server = server;
  }

  /** Its data go into `folder`. Rejects with what is missing. */
  static async start(folder: string): Promise<Postgres> {
    const initdb = newest("initdb");
    const server = newest("postgres");
    if (initdb === undefined || server === undefined || pathOf("pgbench") === undefined) throw new Error("needs PostgreSQL and pgbench");
    const data = join(folder, "postgres");
    mkdirSync(data);
    // It does not run as root.
    const user: User | undefined = process.getuid?.() === 0 ? userOf("postgres") : undefined;
    if (user !== undefined) {
      chmodSync(folder, 0o755);
      chownSync(data, user.uid, user.gid);
    }
    execFileSync(initdb, ["-D", data, "-A", "trust", "-U", "postgres", "-N", "--locale=C"], { stdio: "pipe", cwd: "/", ...user });
    const port = await freePort();
    // Without waiting for a disk, which would hide what the way costs.
    const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off", synchronous_commit: "off" };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const running = await ForeignServer.start([port], server, ["-D", data, "-p", String(port), ...flags], user);
    const postgres = new Postgres(port, running);
    await postgres.#pgbench(port, ["--initialize", "--quiet", "--scale", String(SCALE)]);
    return postgres;
  }

  /** Transactions per second through a port that leads here. */
  async transactionsPerSecond(port: number, script: "tpcb-like" | "select-only", clients: number, seconds: number): Promise<number> {
    const load = ["--client", String(clients), "--time", String(seconds), "--no-vacuum", "--builtin", script];
    const said = await this.#pgbench(port, load);
    return Number(/^tps = ([\d.]+)/m.exec(said)?.[1]);
  }

  [Symbol.dispose](): void {
    this.#server[Symbol.dispose]();
  }

  async #pgbench(port: number, args: readonly string[]): Promise<string> {
    const place = ["--host", "127.0.0.1", "--port", String(port), "--username", "postgres"];
    return (await execute("pgbench", [...place, ...args, "postgres"], { timeout: 60_000 })).stdout;
  }
}

function newest(program: string): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : [];
  const files = versions.map((version) => join(VERSIONS, version, "bin", program));
  return files.find((file) => existsSync(file)) ?? pathOf(program);
}
