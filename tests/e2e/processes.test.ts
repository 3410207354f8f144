import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientSession, dial, type DialOptions } from "kwik";
import { expect, test } from "vitest";
import { fileReaches, kill, kwik, type Running, sha256OfFile, startKwik, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();
const files = join(folder, "files");
const SIZE = 24_000_000;
const sha256 = writeRandomFile(join(files, "film.bin"), SIZE);

interface Group extends Running {
  readonly url: string;
  readonly identity: string;
  readonly processes: readonly { readonly url: string; readonly pid: number }[];
}

async function serve(...flags: string[]): Promise<Group> {
  const listen = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const running = startKwik(["serve", files, ...listen, "--json", ...flags]);
  const line = await new Promise<string>((resolve, reject) => {
    let said = "";
    running.child.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
      if (said.includes("\n")) resolve(said.slice(0, said.indexOf("\n")));
    });
    void running.outcome.then(({ stderr }) => reject(new Error(`kwik serve ended: ${stderr}`)));
  });
  return { ...running, ...(JSON.parse(line) as Pick<Group, "url" | "identity" | "processes">) };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Whoever adopts what its parent left behind may not have taken note of the end yet.
    return process.platform !== "linux" || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function get(group: Group, url: string, file: string): Running {
  return startKwik(["get", `${url}/film.bin`, "-o", join(folder, file), "--pin", group.identity, "--json", "--grace", "30"]);
}

test("sessions that all dial one address are spread over the processes, which have one key", async () => {
  const group = await serve("--processes", "3");
  expect(new Set(group.processes.map(({ url }) => url)).size).toBe(3);
  expect(group.url).toBe(group.processes[0]?.url);
  const options: DialOptions = { trust: { pins: [group.identity] }, transport: "tcp" };
  const sessions: ClientSession[] = [];
  for (let count = 0; count < 24; count += 1) sessions.push(await dial(group.url, options));
  const counts = group.processes.map(({ url }) => sessions.filter((one) => url.endsWith(one.stats().paths[0]?.address ?? "?")).length);
  expect(counts.reduce((sum, count) => sum + count)).toBe(24);
  expect(Math.min(...counts), counts.join(" ")).toBeGreaterThanOrEqual(4);
  // Whichever is dialled: with as few as the others it takes the session itself.
  const direct = await dial(group.processes[1]?.url ?? "", options);
  expect(group.processes[1]?.url).toContain(direct.stats().paths[0]?.address);
  for (const session of [...sessions, direct]) await session.close();
  group.child.kill("SIGTERM");
  expect((await group.outcome).status).toBe(0);
});

test("a process that is killed is started again at its port, and the download that it served goes on there", async () => {
  const group = await serve("--processes", "2", "--rate", "8MB/s");
  const victim = group.processes[1] as Group["processes"][number];
  const download = get(group, victim.url, "killed.bin");
  await fileReaches(join(folder, "killed.bin"), SIZE / 4);
  process.kill(victim.pid, "SIGKILL");
  const { status, stdout, stderr } = await download.outcome;
  expect(status, stderr).toBe(0);
  expect(sha256OfFile(join(folder, "killed.bin"))).toBe(sha256);
  const report = JSON.parse(stdout.trim().split("\n").at(-1) as string) as { sha256: string; paths: { address: string }[] };
  expect(report.sha256).toBe(sha256);
  expect(group.said()).toContain("ended, by SIGKILL; it is started again");
  expect(isRunning(victim.pid)).toBe(false);
  expect(isRunning(group.processes[0]?.pid ?? -1)).toBe(true);
  group.child.kill("SIGTERM");
  expect((await group.outcome).status).toBe(0);
});

test("SIGTERM lets the downloads of every process finish, and leaves no process behind", async () => {
  const group = await serve("--processes", "2", "--rate", "8MB/s", "--grace", "60");
  const downloads = group.processes.map(({ url }, index) => get(group, url, `drained-${index}.bin`));
  for (const index of [0, 1]) await fileReaches(join(folder, `drained-${index}.bin`), SIZE / 4);
  group.child.kill("SIGTERM");
  for (const [index, download] of downloads.entries()) {
    const { status, stderr } = await download.outcome;
    expect(status, stderr).toBe(0);
    expect(sha256OfFile(join(folder, `drained-${index}.bin`))).toBe(sha256);
  }
  const { status, stderr } = await group.outcome;
  expect(status, stderr).toBe(0);
  expect(group.processes.filter(({ pid }) => isRunning(pid))).toEqual([]);
});

test("a second signal ends all of them at once, with status 7, and so does the end of the first process", async () => {
  const [stopped, killed] = await Promise.all([serve("--processes", "2", "--grace", "600"), serve("--processes", "2")]);
  const session = await dial(stopped.url, { trust: { pins: [stopped.identity] } });
  const stream = session.openStream();
  await stream.write(new Uint8Array(1));
  stopped.child.kill("SIGTERM");
  await expect.poll(stopped.said).toContain("stopping; 1 session has 600 s");
  stopped.child.kill("SIGTERM");
  expect((await stopped.outcome).status).toBe(7);
  await kill(killed);
  for (const { processes } of [stopped, killed])
    await expect.poll(() => processes.filter(({ pid }) => isRunning(pid)), { timeout: 30_000 }).toEqual([]);
  await session.close();
});

test("what cannot be served says so in one sentence, and nothing stays behind", async () => {
  const group = await serve("--processes", "2");
  const port = Number(new URL(group.url.replace("kwik:", "http:")).port);
  const taken = await kwik("serve", files, "--listen", `127.0.0.1:${port}`, "--processes", "2");
  expect(taken).toMatchObject({ status: 8, stdout: "" });
  expect(taken.stderr).toContain("choose another --listen address");
  const high = await kwik("serve", files, "--listen", "127.0.0.1:65534", "--processes", "3");
  expect(high).toMatchObject({ status: 2, stderr: expect.stringContaining("leaves only 2 ports up to 65535") });
  const none = await kwik("serve", files, "--listen", "127.0.0.1:0", "--processes", "0");
  expect(none).toMatchObject({ status: 2, stderr: expect.stringContaining("1 or more") });
  const missing = await kwik("serve", join(folder, "missing"), "--listen", "127.0.0.1:0", "--processes", "2");
  expect(missing).toMatchObject({ status: 8, stderr: expect.stringContaining("there is no such directory") });
  group.child.kill("SIGTERM");
  expect((await group.outcome).status).toBe(0);
});
