import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  fileReaches,
  issueCluster,
  kill,
  reportOf,
  type Running,
  type ServerProcess,
  sha256OfFile,
  startKwik,
  startServer,
  testFolder,
  writeRandomFile,
} from "./kwik-process.ts";

const SIZE = 16_000_000;
const folder = testFolder();
const files = join(folder, "files");
const ca = join(folder, "cluster/ca.pem");
const source = writeRandomFile(join(files, "a.bin"), SIZE);

beforeAll(() => issueCluster(join(folder, "cluster"), ["a", "b", "c"]), 30_000);

/** One of the servers a, b and c of the cluster. */
function start(name: string, ...flags: string[]): Promise<ServerProcess> {
  const issued = join(folder, "cluster", name);
  const identity = ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
  return startServer(files, ...identity, "--name", name, ...flags);
}

function get(out: string, servers: readonly ServerProcess[], ...flags: string[]): Running {
  const [first, ...others] = servers as [ServerProcess, ...ServerProcess[]];
  const from = others.flatMap((other) => ["--from", other.url]);
  return startKwik(["get", `${first.url}/a.bin`, ...from, "--ca", ca, "-o", join(folder, out), "--json", ...flags]);
}

/** The report of a download that has to be right, and came in one session. */
async function whole(download: Running, out: string): Promise<ReturnType<typeof reportOf>> {
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(0);
  const report = reportOf(outcome);
  expect(report, outcome.stderr).toMatchObject({ bytes: SIZE, sha256: source, resumedFrom: 0, sessions: 1 });
  expect(sha256OfFile(join(folder, out))).toBe(source);
  return report;
}

/** What a server started with --metrics says of itself. */
async function metricsOf(server: Running): Promise<string> {
  const url = /metrics at (\S+)/.exec(server.said())?.[1] ?? "";
  return (await fetch(url)).text();
}

// spec: RESUME-2, RESUME-4, RESUME-6
test("when all servers are killed and started again, a download goes on in the same session, without beginning anew", async () => {
  const names = ["a", "b", "c"];
  const servers = await Promise.all(names.map((name) => start(name, "--rate", "2MB/s")));
  const download = get("restarted.bin", servers, "--grace", "30");
  await fileReaches(join(folder, "restarted.bin"), SIZE / 4);
  await Promise.all(servers.map(kill));
  await expect.poll(download.said).toContain("no server is left; waiting for one to come back");
  const again = await Promise.all(names.map((name, index) => start(name, "--listen", (servers[index] as ServerProcess).address)));
  const report = await whole(download, "restarted.bin");
  expect(report.suspensions).toBe(1);
  await Promise.all(again.map(kill));
});

// spec: DRAIN-1, DRAIN-2, DRAIN-3, DRAIN-4
test("a server that is told to stop in mid-download sends its client to another, and ends with status 0 as soon as that has it", async () => {
  const b = await start("b", "--rate", "4MB/s");
  const a = await start("a", "--rate", "4MB/s", "--replacement", b.address, "--grace", "600");
  const download = get("drained.bin", [a]);
  await fileReaches(join(folder, "drained.bin"), SIZE / 4);
  a.child.kill("SIGTERM");
  const report = await whole(download, "drained.bin");
  const stopped = await a.outcome;
  expect(stopped.status, stopped.stderr).toBe(0);
  expect(report.suspensions).toBe(0);
  expect(report.paths).toMatchObject([
    { address: a.address, state: "closed" },
    { address: b.address, state: "active" },
  ]);
  expect(report.paths[1]?.bytes).toBeGreaterThan(SIZE / 4);
  const said = (await download.outcome).stderr;
  expect(said).toContain(`${a.address} is shutting down; it names ${b.address} instead`);
  expect(said).not.toContain("lost");
  process.stderr.write(`longest gap when a server was drained: ${String(report.longestGapMs)} ms\n`);
  await kill(b);
});

// spec: PRIMARY-2, PRIMARY-3, PRIMARY-4
test("after the first server is gone for good another one is the primary, and brings its peers in", async () => {
  const c = await start("c", "--rate", "1MB/s");
  const b = await start("b", "--rate", "1MB/s", "--peer", c.address);
  const a = await start("a", "--rate", "1MB/s");
  const download = get("succession.bin", [a, b], "--grace", "2");
  await fileReaches(join(folder, "succession.bin"), SIZE / 16);
  await expect.poll(download.said).toContain(`${b.address} takes part`);
  await kill(a);
  const report = await whole(download, "succession.bin");
  expect(report.paths.find((path) => path.address === a.address)?.state).toBe("dead");
  // Nobody but the second server knew of the third.
  expect(report.paths.find((path) => path.address === c.address)?.bytes, (await download.outcome).stderr).toBeGreaterThan(SIZE / 64);
  await Promise.all([b, c].map(kill));
}, 60_000);

// spec: RESUME-3, RESUME-5
test.each(["server", "client"])(
  "a %s that is stopped until the other side has given the path up goes on where it was",
  async (who) => {
    const server = await start("a", "--rate", "3MB/s", "--metrics", "127.0.0.1:0");
    const out = `stopped-${who}.bin`;
    const download = get(out, [server], "--grace", "30");
    await fileReaches(join(folder, out), SIZE / 4);
    const stopped = who === "server" ? server : download;
    stopped.child.kill("SIGSTOP");
    if (who === "server") await expect.poll(download.said).toContain("no server is left");
    else await expect.poll(() => metricsOf(server)).toContain('kwik_sessions_suspended{server="a"} 1');
    stopped.child.kill("SIGCONT");
    const report = await whole(download, out);
    const metrics = await metricsOf(server);
    expect(metrics).toContain('kwik_sessions_accepted_total{server="a"} 1');
    // Who stood still may hear of the new path before it has looked at the old one.
    if (who === "server") expect(report.suspensions).toBe(1);
    else expect(metrics).toContain('kwik_sessions_resumed_total{server="a"} 1');
    await kill(server);
  },
  60_000,
);
