import { cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  fileReaches,
  issueCluster,
  kill,
  kwik,
  reportOf,
  type ServerProcess,
  sha256OfFile,
  startKwik,
  startServer,
  testFolder,
  writeRandomFile,
} from "./kwik-process.ts";

const SIZE = 8_000_000;
const folder = testFolder();
const files = join(folder, "files");
const ca = join(folder, "cluster/ca.pem");
const source = writeRandomFile(join(files, "a.bin"), SIZE);

beforeAll(() => issueCluster(join(folder, "cluster"), ["a", "b", "c"]), 30_000);

function start(name: string, ...flags: string[]): Promise<ServerProcess> {
  const issued = join(folder, "cluster", name);
  const identity = ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
  return startServer(files, ...identity, "--name", name, ...flags);
}

function startThree(rate: string): Promise<ServerProcess[]> {
  return Promise.all(["a", "b", "c"].map((name) => start(name, "--rate", rate)));
}

function getArguments(servers: readonly ServerProcess[], out: string, file = "a.bin"): string[] {
  const [first, ...others] = servers as [ServerProcess, ...ServerProcess[]];
  return ["get", `${first.url}/${file}`, ...others.flatMap((other) => ["--from", other.url]), "--ca", ca, "-o", out, "--json"];
}

test("the ready line says what a client needs, and SIGTERM ends a server with status 0", async () => {
  const server = await startServer(files, "--self-signed");
  expect(server.readyLine).toMatch(new RegExp(`^kwik: serving ${files} on kwik://127\\.0\\.0\\.1:\\d+ identity sha256:[0-9a-f]{64}$`));
  const listed = await kwik("ls", `${server.url}/`, "--pin", server.identity);
  expect(listed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\s*8\.00 MB {2}a\.bin\n$/) as string });
  server.child.kill("SIGTERM");
  expect((await server.outcome).status).toBe(0);
});

test("a download takes its bytes from all servers and reports them", async () => {
  const servers = await startThree("4MB/s");
  const out = join(folder, "three.bin");
  const outcome = await kwik(...getArguments(servers, out));
  expect(outcome.status, outcome.stderr).toBe(0);
  const report = reportOf(outcome);
  expect(report).toMatchObject({ bytes: SIZE, sha256: source, resumedFrom: 0, isolated: [] });
  expect(sha256OfFile(out)).toBe(source);
  expect(new Set(report.paths.map((path) => path.address))).toEqual(new Set(servers.map((server) => server.address)));
  for (const { address } of servers) {
    // A busy machine may let one fall silent for so long that another transport is tried beside it.
    const paths = report.paths.filter((path) => path.address === address);
    expect(paths.map((path) => path.state)).toContain("active");
    expect(
      paths.reduce((sum, path) => sum + path.bytes, 0),
      outcome.stderr,
    ).toBeGreaterThan(SIZE / 20);
  }
  await Promise.all(servers.map(kill));
});

test.each([0, 1, 2])("a download survives that server %i is killed in the middle", async (victim) => {
  const servers = await startThree("2.5MB/s");
  const out = join(folder, `killed-${victim}.bin`);
  const download = startKwik(getArguments(servers, out));
  await fileReaches(out, SIZE / 4);
  await kill(servers[victim] as ServerProcess);
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(reportOf(outcome)).toMatchObject({ bytes: SIZE, sha256: source });
  expect(sha256OfFile(out)).toBe(source);
  await Promise.all(servers.map(kill));
});

test("with all servers dead it ends soon with status 3, and goes on when one is back", async () => {
  const servers = await startThree("2MB/s");
  const out = join(folder, "dead.bin");
  const download = startKwik(getArguments(servers, out));
  await fileReaches(out, SIZE / 4);
  await Promise.all(servers.map(kill));
  const killedAt = performance.now();
  const outcome = await download.outcome;
  expect(performance.now() - killedAt).toBeLessThan(10_000);
  expect(outcome.status, outcome.stderr).toBe(3);
  expect(outcome.stderr).toMatch(/run the same command again to go on/);
  const kept = statSync(out).size;
  expect(kept).toBeGreaterThanOrEqual(SIZE / 4);
  expect(kept).toBeLessThan(SIZE);

  const back = await start("b", "--listen", (servers[1] as ServerProcess).address);
  const resumed = await kwik(...getArguments(servers, out));
  expect(resumed.status, resumed.stderr).toBe(0);
  const report = reportOf(resumed);
  expect(report).toMatchObject({ bytes: SIZE, sha256: source });
  expect(report.resumedFrom).toBe(kept - (kept % 262_144));
  expect(sha256OfFile(out)).toBe(source);
  await kill(back);
}, 40_000);

test("Ctrl-C leaves a part that the same command continues", async () => {
  const server = await start("a", "--rate", "4MB/s");
  const out = join(folder, "interrupted.bin");
  const download = startKwik(getArguments([server], out));
  await fileReaches(out, SIZE / 4);
  download.child.kill("SIGINT");
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(7);
  expect(outcome.stderr).toMatch(/interrupted at .* run the same command again to go on/);
  const resumed = await kwik(...getArguments([server], out));
  expect(reportOf(resumed)).toMatchObject({
    bytes: SIZE,
    sha256: source,
    resumedFrom: expect.toSatisfy((bytes: number) => bytes >= SIZE / 4) as number,
  });
  const again = await kwik(...getArguments([server], out));
  expect(reportOf(again)).toMatchObject({ bytes: SIZE, sha256: source, resumedFrom: SIZE });
  await kill(server);
});

test("what is in the output is used only as far as it is right", async () => {
  const server = await start("a");
  const out = join(folder, "partial.bin");
  cpSync(join(files, "a.bin"), out);
  truncateSync(out, 5_000_000);
  const spoilt = readFileSync(out);
  spoilt[3_000_000] = (spoilt[3_000_000] as number) ^ 1;
  writeFileSync(out, spoilt);
  const outcome = await kwik(...getArguments([server], out));
  expect(reportOf(outcome)).toMatchObject({ bytes: SIZE, sha256: source, resumedFrom: Math.floor(3_000_000 / 262_144) * 262_144 });
  expect(sha256OfFile(out)).toBe(source);

  writeFileSync(out, Buffer.alloc(SIZE + 1_000, 7));
  const replaced = await kwik(...getArguments([server], out));
  expect(replaced.stderr).toMatch(/starting anew/);
  expect(reportOf(replaced)).toMatchObject({ bytes: SIZE, resumedFrom: 0 });
  expect(sha256OfFile(out)).toBe(source);
  await kill(server);
});

test("standard output gets the bytes in order and nothing else", async () => {
  const server = await start("a");
  const outcome = await kwik("get", `${server.url}/a.bin`, "--ca", ca, "-o", "-");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(Buffer.from(outcome.stdout, "latin1").equals(readFileSync(join(files, "a.bin")))).toBe(true);
  await kill(server);
});

test("a server that is told to stop lets a download finish first", async () => {
  const server = await start("a", "--rate", "5MB/s");
  const out = join(folder, "drained.bin");
  const download = startKwik(getArguments([server], out));
  await fileReaches(out, SIZE / 4);
  server.child.kill("SIGTERM");
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(sha256OfFile(out)).toBe(source);
  expect((await server.outcome).status).toBe(0);
});

test("one server adds its peers by itself, and the download uses them", async () => {
  const others = await Promise.all(["b", "c"].map((name) => start(name, "--rate", "3MB/s")));
  const first = await start("a", "--rate", "3MB/s", ...others.flatMap((other) => ["--peer", other.address]));
  const outcome = await kwik(...getArguments([first], join(folder, "peers.bin")));
  const report = reportOf(outcome);
  expect(report).toMatchObject({ bytes: SIZE, sha256: source });
  expect(new Set(report.paths.map((path) => path.address))).toEqual(new Set([first, ...others].map((server) => server.address)));
  const alone = await kwik(...getArguments([first], join(folder, "alone.bin")), "--max-paths", "1");
  expect(reportOf(alone).paths.filter((path) => path.bytes > 100_000)).toHaveLength(1);
  await Promise.all([first, ...others].map(kill));
});

test("an empty file is a file", async () => {
  writeFileSync(join(files, "empty"), "");
  const server = await start("a");
  const out = join(folder, "empty");
  writeFileSync(out, "something longer");
  const outcome = await kwik(...getArguments([server], out, "empty"));
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(reportOf(outcome).bytes).toBe(0);
  expect(statSync(out).size).toBe(0);
  rmSync(join(files, "empty"));
  await kill(server);
});
