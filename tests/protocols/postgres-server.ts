import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { freePort, run, serve, type Server } from "./program.ts";

/** Of Debian: what it needs, by path. */
export const POSTGRES_PROGRAMS = { "/usr/lib/postgresql": "postgresql", "/usr/bin/psql": "postgresql-client" } as const;

export interface Postgres extends Server {
  /** The folder of its programs. */
  readonly programs: string;
}

/** A PostgreSQL of Debian, with a new cluster in `folder`, that lets everybody in. Root only. */
export async function startPostgres(folder: string): Promise<Postgres> {
  const [version] = readdirSync("/usr/lib/postgresql").sort((a, b) => Number(b) - Number(a));
  const programs = join("/usr/lib/postgresql", version ?? "", "bin");
  const data = join(folder, "postgres");
  execFileSync("install", ["-d", "-o", "postgres", "-g", "postgres", "-m", "700", data]);
  const user = { user: "postgres", cwd: folder };
  await run(join(programs, "initdb"), ["-D", data, "-A", "trust", "-U", "postgres", "-N", "--locale=C", "-E", "UTF8"], user);
  const port = await freePort();
  const flags = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: "off",
    max_connections: "120",
    shared_buffers: "64MB",
  };
  const args = Object.entries(flags).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = await serve(port, join(programs, "postgres"), ["-D", data, "-p", String(port), ...args], user);
  return { ...server, programs };
}
