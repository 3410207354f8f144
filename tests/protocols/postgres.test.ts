import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256 } from "./folder.ts";
import { isFullRun, whyNot, whyNotWithoutRoot } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { run } from "./program.ts";
import { Rig } from "./rig.ts";
import { POSTGRES_PROGRAMS, type Postgres, startPostgres } from "./postgres-server.ts";

const ROWS = isFullRun ? 1_000_000 : 150_000;
const folder = folderOfProcesses();
let missing: string | undefined;
let postgres: Postgres;
let rig: Rig;

beforeAll(async () => {
  missing = whyNotWithoutRoot("PostgreSQL runs as its own user") ?? whyNot(POSTGRES_PROGRAMS);
  if (missing !== undefined) return;
  postgres = await startPostgres(folder);
  rig = await Rig.start({ postgres: postgres.port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

const options = { env: { PGPASSWORD: "", PGCONNECT_TIMEOUT: "30" } };
const place = (): string[] => ["-h", "127.0.0.1", "-p", String(rig.port("postgres")), "-U", "postgres"];
const psql = (args: readonly string[], input?: string) =>
  run("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", ...place(), ...args], { ...options, ...(input === undefined ? {} : { input }) });

test("psql copies a table in and out while a line falls silent", async () => {
  const rows = Array.from({ length: ROWS }, (_, index) => `${index}\t${sha256(String(index))}\n`).join("");
  await psql(["-c", "create table copied (id int, text text)"]);
  await rig.faulty("silent", rows.length / 2, () => psql(["-c", "copy copied from stdin"], rows));
  const { stdout } = await rig.faulty("silent", rows.length / 2, () => psql(["-c", "copy (select * from copied order by id) to stdout"]));
  expect(sha256(stdout)).toBe(sha256(rows));
});

test("psql runs statement by statement while a line is killed, and each of them once", async () => {
  const count = ROWS / 50;
  await psql(["-c", "create table counted (id serial, n int)"]);
  const statements = Array.from({ length: count }, (_, index) => `insert into counted (n) values (${index});\n`).join("");
  await rig.faulty("killed", count * 50, () => psql(["-f", "-"], statements));
  const { stdout } = await psql(["-At", "-c", "select count(*), sum(n), count(distinct n) from counted"]);
  expect(stdout.toString().trim()).toBe(`${count}|${(count * (count - 1)) / 2}|${count}`);
});

test("pgbench with 16 clients keeps its books while a line falls silent", async () => {
  const pgbench = join(postgres.programs, "pgbench");
  await run(pgbench, [...place(), "-i", "-q", "-s", "1", "postgres"], options);
  const perClient = isFullRun ? 500 : 30;
  const bench = ["-c", "16", "-j", "2", "-t", String(perClient), "-n", "postgres"];
  const { stdout } = await rig.faulty("silent", perClient * 16 * 300, () => run(pgbench, [...place(), ...bench], options));
  expect(stdout.toString()).toContain(`number of transactions actually processed: ${perClient * 16}/${perClient * 16}`);
  const sums = await psql([
    "-At",
    "-c",
    "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history), (select count(*) from pgbench_history)",
  ]);
  expect(sums.stdout.toString().trim()).toBe(`t|${perClient * 16}`);
});
