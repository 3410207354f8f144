import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256 } from "./folder.ts";
import { whyNotFull } from "./full-run.ts";
import { MYSQL_PROGRAMS, startMysql } from "./mysql-server.ts";
import { folderOfProcesses } from "./processes.ts";
import { run, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

const ROWS = 200_000;
const folder = folderOfProcesses();
let missing: string | undefined;
let mysql: Server;
let rig: Rig;

beforeAll(async () => {
  missing = whyNotFull(MYSQL_PROGRAMS);
  if (missing !== undefined) return;
  mysql = await startMysql(folder);
  rig = await Rig.start({ mysql: mysql.port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await mysql?.[Symbol.asyncDispose]();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

const client = (args: readonly string[], input?: string) => {
  const place = [
    "--no-defaults",
    "-h",
    "127.0.0.1",
    "-P",
    String(rig.port("mysql")),
    "-u",
    "test",
    "-psecret",
    "--batch",
    "--raw",
    "--skip-column-names",
  ];
  return run("mariadb", [...place, ...args, "work"], input === undefined ? {} : { input });
};

test("the client of MariaDB loads and reads a table while a line falls silent", async () => {
  const rows = Array.from({ length: ROWS }, (_, index) => `${index}\t${sha256(String(index))}\n`);
  const values = rows.map((row) => `(${row.trimEnd().replace("\t", ",'")}')`);
  const statements = Array.from(
    { length: ROWS / 1_000 },
    (_, index) => `insert into copied values ${values.slice(index * 1_000, (index + 1) * 1_000).join(",")};\n`,
  );
  const script = `create table copied (id int, text text) engine=innodb;\n${statements.join("")}`;
  await rig.faulty("silent", script.length / 2, () => client([], script));
  const { stdout } = await rig.faulty("silent", script.length / 2, () => client(["-e", "select * from copied order by id"]));
  expect(sha256(stdout)).toBe(sha256(rows.join("")));
});

test("statement by statement, each runs once while a line is killed", async () => {
  const count = 5_000;
  await client(["-e", "create table counted (id int auto_increment primary key, n int)"]);
  const statements = Array.from({ length: count }, (_, index) => `insert into counted (n) values (${index});\n`).join("");
  await rig.faulty("killed", count * 60, () => client([], statements));
  const { stdout } = await client(["-e", "select count(*), sum(n), count(distinct n) from counted"]);
  expect(stdout.toString().trim()).toBe(`${count}\t${(count * (count - 1)) / 2}\t${count}`);
});
