import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256, writeRandom } from "./folder.ts";
import { isFullRun, whyNot } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

const SIZE = isFullRun ? 50_000_000 : 10_000_000;
const folder = folderOfProcesses();
let missing: string | undefined;
let redis: Server;
let rig: Rig;

beforeAll(async () => {
  missing = whyNot({ "/usr/bin/redis-server": "redis-server", "/usr/bin/redis-benchmark": "redis-tools" });
  if (missing !== undefined) return;
  const port = await freePort();
  const flags = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: folder };
  redis = await serve(
    port,
    "redis-server",
    Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
  );
  rig = await Rig.start({ redis: port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

const cli = (args: readonly string[], input?: string | Buffer) =>
  run("redis-cli", ["-h", "127.0.0.1", "-p", String(rig.port("redis")), ...args], input === undefined ? {} : { input });

test("redis-cli sets and gets a large value while a line falls silent", async () => {
  const file = join(folder, "value.bin");
  const digest = writeRandom(file, SIZE);
  await rig.faulty("silent", SIZE / 2, () => cli(["-x", "set", "large"], readFileSync(file)));
  const { stdout } = await rig.faulty("silent", SIZE / 2, () => cli(["--raw", "get", "large"]));
  // A line feed follows the value.
  expect(sha256(stdout.subarray(0, -1))).toBe(digest);
});

test("redis-cli feeds many commands, each of them counted, while a line is killed", async () => {
  const count = SIZE / 100;
  const commands = Array.from(
    { length: count },
    (_, index) => `*3\r\n$6\r\nINCRBY\r\n$3\r\nsum\r\n$${String(index).length}\r\n${index}\r\n`,
  ).join("");
  const { stdout } = await rig.faulty("killed", commands.length / 2, () => cli(["--pipe"], commands));
  expect(stdout.toString()).toContain(`errors: 0, replies: ${count}`);
  expect((await cli(["get", "sum"])).stdout.toString().trim()).toBe(String((count * (count - 1)) / 2));
});

test("redis-benchmark with 16 clients ends well while a line falls silent", async () => {
  const requests = isFullRun ? 200_000 : 5_000;
  const flags = ["-h", "127.0.0.1", "-p", String(rig.port("redis")), "-c", "16", "-n", String(requests), "-t", "set,get,incr", "--csv"];
  const { stdout } = await rig.faulty("silent", requests * 20, () => run("redis-benchmark", flags));
  expect(stdout.toString().match(/^"(?:SET|GET|INCR)"/gm)).toHaveLength(3);
  expect((await cli(["get", "counter:__rand_int__"])).stdout.toString().trim()).toBe(String(requests));
});
