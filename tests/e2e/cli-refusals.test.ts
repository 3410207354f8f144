import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dial, fileStore, listen, type ContentStore, type SessionEvent } from "kwik";
import { initCluster, issueServer, loadClusterFile } from "@kwik/trust";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kill, kwik, reportOf, type ServerProcess, sha256OfFile, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";

const SIZE = 4_000_000;
const folder = testFolder();
const files = join(folder, "files");
const ca = join(folder, "cluster/ca.pem");
const source = writeRandomFile(join(files, "a.bin"), SIZE);
symlinkSync("/etc/passwd", join(files, "out"));
mkdirSync(join(files, "sub"));

let server: ServerProcess;
beforeAll(async () => {
  await initCluster(join(folder, "cluster"));
  for (const name of ["a", "b", "liar"]) await issueServer(join(folder, "cluster"), { hosts: ["localhost", "127.0.0.1"], name });
  server = await startServer(files, ...identity("a"));
}, 30_000);
// Whatever a client did, the server is still there and has not a word to say about it.
afterAll(async () => {
  const outcome = await kwik("ls", `${server.url}/`, "--ca", ca);
  expect(outcome.stdout).toContain("a.bin");
});

function identity(name: string): string[] {
  const issued = join(folder, "cluster", name);
  return ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
}

function get(...flags: string[]) {
  return kwik("get", `${server.url}/a.bin`, ...flags);
}

test("a server under another authority is not trusted", async () => {
  await initCluster(join(folder, "other"));
  const out = join(folder, "wrong-ca");
  const outcome = await get("--ca", join(folder, "other/ca.pem"), "-o", out);
  expect(outcome).toMatchObject({ status: 4, stderr: expect.stringContaining(server.address) as string });
  expect(existsSync(out)).toBe(false);
});

test("a server with another key than the pinned one is not trusted", async () => {
  const outcome = await get("--pin", `sha256:${"ab".repeat(32)}`, "-o", join(folder, "wrong-pin"));
  expect(outcome).toMatchObject({ status: 4, stderr: expect.stringMatching(/its key is sha256:/) as string });
});

test("a server that nobody vouches for is not trusted", async () => {
  const outcome = await get("-o", join(folder, "no-trust"));
  expect(outcome).toMatchObject({ status: 4, stderr: expect.stringMatching(/--ca or --pin/) as string });
});

test("an expired certificate is not trusted", async () => {
  const tenDaysAgo = Date.now() - 10 * 86_400_000;
  await initCluster(join(folder, "old"), { now: tenDaysAgo });
  await issueServer(join(folder, "old"), { hosts: ["127.0.0.1"], name: "a", validDays: 1, now: tenDaysAgo });
  const old = await startServer(files, "--cert", join(folder, "old/a/server.pem"), "--key", join(folder, "old/a/server.key"));
  const outcome = await kwik("get", `${old.url}/a.bin`, "--ca", join(folder, "old/ca.pem"), "-o", join(folder, "expired"));
  expect(outcome, outcome.stderr).toMatchObject({ status: 4 });
  await kill(old);
});

test("where no server is, it says so with status 3 within 10 seconds", async () => {
  const outcome = await kwik("get", "kwik://127.0.0.1:9/a.bin", "--insecure", "-o", join(folder, "nobody"));
  expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining("127.0.0.1:9") as string });
  expect(outcome.seconds).toBeLessThan(10);
});

test("what is not served has status 5, whether it is missing, outside, or a directory", async () => {
  for (const path of ["nothing", "../cluster/ca.key", "out", "sub", "%2e%2e/cluster/ca.key"]) {
    const out = join(folder, "missing");
    const outcome = await kwik("get", `${server.url}/${path}`, "--ca", ca, "-o", out);
    expect(outcome.status, `${path}: ${outcome.stderr}`).toBe(5);
    expect(existsSync(out), path).toBe(false);
  }
  expect((await kwik("ls", `${server.url}/nothing`, "--ca", ca)).status).toBe(5);
});

test("an output that cannot be written has status 8 and says why", async () => {
  const folderOnly = await get("--ca", ca, "-o", folder);
  expect(folderOnly).toMatchObject({ status: 8, stderr: expect.stringContaining("is a directory") as string });
  const nowhere = await get("--ca", ca, "-o", join(folder, "no/such/folder"));
  expect(nowhere).toMatchObject({ status: 8, stderr: expect.stringContaining("folder does not exist") as string });
  const full = await get("--ca", ca, "-o", "/dev/full");
  expect(full).toMatchObject({ status: 8, stderr: expect.stringContaining("no space left") as string });
  const taken = await kwik("serve", files, "--self-signed", "--listen", server.address);
  expect(taken).toMatchObject({ status: 8, stderr: expect.stringContaining("cannot listen") as string });
});

test("a full disk keeps what fits, and the same command goes on when there is room", async (ctx) => {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], { stdio: "pipe" });
  } catch {
    ctx.skip("a small disk can be mounted by root only");
  }
  try {
    const out = join(disk, "a.bin");
    const outcome = await get("--ca", ca, "-o", out);
    expect(outcome).toMatchObject({ status: 8, stderr: expect.stringContaining("no space left") as string });
    expect(statSync(out).size).toBeGreaterThan(1_000_000);
    execFileSync("/bin/mount", ["-o", "remount,size=8m", disk]);
    const resumed = await get("--ca", ca, "-o", out, "--json");
    expect(reportOf(resumed).resumedFrom).toBeGreaterThan(1_000_000);
    expect(sha256OfFile(out)).toBe(source);
  } finally {
    execFileSync("/bin/umount", ["-l", disk]);
  }
});

test("a server with other bytes under the same name is named, and nothing of it is used", async () => {
  writeRandomFile(join(folder, "other-files/a.bin"), SIZE);
  const other = await startServer(join(folder, "other-files"), ...identity("b"));
  const slow = await startServer(files, ...identity("a"), "--rate", "3MB/s");
  const out = join(folder, "other-version");
  const outcome = await kwik("get", `${slow.url}/a.bin`, "--from", other.url, "--ca", ca, "-o", out, "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(reportOf(outcome)).toMatchObject({ sha256: source, isolated: [{ address: other.address }] });
  expect(outcome.stderr).toContain(`${other.address} has other bytes under this name`);
  expect(sha256OfFile(out)).toBe(source);
  await Promise.all([other, slow].map(kill));
});

test("a first server with other bytes than two others, which agree, is left out and named", async () => {
  writeRandomFile(join(folder, "outvoted-files/a.bin"), SIZE);
  const outvoted = await startServer(join(folder, "outvoted-files"), ...identity("a"), "--rate", "2MB/s");
  const others = [await startServer(files, ...identity("b")), await startServer(files, ...identity("liar"))];
  const out = join(folder, "outvoted");
  const from = others.flatMap((other) => ["--from", other.url]);
  const outcome = await kwik("get", `${outvoted.url}/a.bin`, ...from, "--ca", ca, "-o", out, "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(reportOf(outcome)).toMatchObject({
    sha256: source,
    resumedFrom: 0,
    isolated: [{ address: outvoted.address, code: "CONTENT_VERSION" }],
  });
  expect(reportOf(outcome).paths[0]).toMatchObject({ address: outvoted.address, state: "closed" });
  expect(outcome.stderr).toContain(`${outvoted.address} has other bytes under this name than 2 others, which agree`);
  expect(sha256OfFile(out)).toBe(source);
  // What is written to standard output cannot be taken back.
  const piped = await kwik("get", `${outvoted.url}/a.bin`, ...from, "--ca", ca, "-o", "-");
  expect([0, 6]).toContain(piped.status);
  if (piped.status === 6) expect(piped.stderr).toContain(outvoted.address);
  else expect(createHash("sha256").update(Buffer.from(piped.stdout, "latin1")).digest("hex")).toBe(source);
  await Promise.all([outvoted, ...others].map(kill));
});

test("a server that lies about its bytes is found out by their hashes", async () => {
  const slow = await startServer(files, ...identity("a"), "--rate", "3MB/s");
  const issued = join(folder, "cluster/liar");
  await using liar = await listen("127.0.0.1:0", {
    tls: { cert: readFileSync(join(issued, "server.pem"), "utf8"), key: readFileSync(join(issued, "server.key"), "utf8") },
    cluster: await loadClusterFile(join(issued, "cluster.json")),
    content: lyingStore(files),
  });
  const out = join(folder, "lied");
  const outcome = await kwik("get", `${slow.url}/a.bin`, "--from", liar.url, "--ca", ca, "-o", out, "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  const report = reportOf(outcome);
  expect(report.sha256).toBe(source);
  expect(report.isolated).toMatchObject([{ address: liar.address, code: "CONTENT_CORRUPT" }]);
  expect(outcome.stderr).toContain(`${liar.address} sent bytes that do not verify`);
  await kill(slow);
});

test("if nothing but lies is to be had, the status is 6", async () => {
  const issued = join(folder, "cluster/liar");
  const store = lyingStore(files);
  await using liar = await listen("127.0.0.1:0", {
    tls: { cert: readFileSync(join(issued, "server.pem"), "utf8"), key: readFileSync(join(issued, "server.key"), "utf8") },
    content: store,
  });
  void (async () => {
    for await (const session of liar) {
      for await (const stream of session.incomingStreams()) {
        const content = await store.open("a.bin");
        if (content === undefined) throw new Error("the file is gone");
        const line = { "kwik-files": 1, status: "ok", name: "a.bin", size: SIZE, version: content.version, offset: 0 };
        await stream.write(Buffer.from(`${JSON.stringify(line)}\n`));
        void stream
          .sendContent(content, { end: true })
          .catch(() => undefined)
          .finally(() => void content.close?.());
      }
    }
  })();
  const out = join(folder, "only-lies");
  const outcome = await kwik("get", `${liar.url}/a.bin`, "--ca", ca, "-o", out);
  expect(outcome.status, outcome.stderr).toBe(6);
  expect(existsSync(out)).toBe(false);
});

test("a client that allows no further address uses none", async () => {
  const peer = await startServer(files, ...identity("b"));
  const first = await startServer(files, ...identity("a"), "--peer", peer.address);
  const asked: string[] = [];
  const session = await dial(first.url, {
    trust: { ca: readFileSync(ca, "utf8") },
    pathPolicy: {
      allow: (address) => {
        asked.push(address);
        return false;
      },
    },
  });
  const events: SessionEvent[] = [];
  void (async () => {
    for await (const event of session.events()) events.push(event);
  })();
  for (let i = 0; i < 100 && asked.length === 0; i += 1) await sleep(20);
  expect(asked).toEqual([peer.address]);
  await session.close();
  expect(events.filter((event) => event.type === "path-active")).toHaveLength(0);
  first.child.kill("SIGTERM");
  expect((await first.outcome).stderr).toContain(`goes without ${peer.address}`);
  await kill(peer);
});

test("garbage at its port does not impress a server", async () => {
  const socket = createSocket("udp4");
  const [host, port] = server.address.split(":") as [string, string];
  for (let i = 0; i < 500; i += 1) {
    const packet = Buffer.alloc(1 + ((i * 37) % 1400), i);
    if (i % 2 === 0) packet[0] = 0xc0 | (i & 0x3f); // looks like a long QUIC header
    await new Promise((resolve) => socket.send(packet, Number(port), host, resolve));
  }
  socket.close();
  const out = join(folder, "after-garbage");
  expect((await get("--ca", ca, "-o", out)).status).toBe(0);
  expect(sha256OfFile(out)).toBe(source);
});

test("metrics count what a server did", async () => {
  const measured = await startServer(files, "--self-signed", "--name", "m", "--metrics", "127.0.0.1:0");
  const outcome = await kwik("get", `${measured.url}/a.bin`, "--pin", measured.identity, "-o", join(folder, "measured"));
  expect(outcome.status, outcome.stderr).toBe(0);
  const page = /^kwik \(m\): metrics at (http:\S+)$/m.exec(measured.said())?.[1];
  const numbers = await (await fetch(page ?? "")).text();
  expect(numbers).toMatch(/^kwik_sessions_accepted_total\{server="m"\} 1$/m);
  expect(Number(/^kwik_sent_bytes_total\{server="m"\} (\d+)$/m.exec(numbers)?.[1])).toBeGreaterThan(SIZE);
  // A stranger that does not speak TLS.
  const { hostname, port } = new URL(measured.url.replace(/^kwik/, "http"));
  const stranger = connect(Number(port), hostname, () => stranger.end("GET / HTTP/1.1\r\n\r\n"));
  stranger.on("error", () => undefined).resume();
  const refused = async (): Promise<string> => (await fetch(page ?? "")).text();
  await expect.poll(refused, { timeout: 30_000 }).toMatch(/^kwik_refusals_total\{server="m",reason="handshake"\} 1$/m);
  await kill(measured);
});

/** How often the server has a file of that name open. */
function openFiles(running: ServerProcess, name: string): number {
  const folderOfOpen = `/proc/${running.child.pid}/fd`;
  let count = 0;
  for (const fd of readdirSync(folderOfOpen)) {
    try {
      if (readlinkSync(join(folderOfOpen, fd)).endsWith(name)) count += 1;
    } catch {
      // closed in the meantime
    }
  }
  return count;
}

function lyingStore(directory: string): ContentStore {
  const store = fileStore(directory);
  return {
    open: async (id) => {
      const honest = await store.open(id);
      if (honest === undefined) return undefined;
      return {
        id,
        version: honest.version,
        length: honest.length,
        hashes: (blockBytes) => honest.hashes?.(blockBytes) ?? Promise.reject(new Error("no hashes")),
        read: async (offset, length) => {
          const data = await honest.read(offset, length);
          data[length >> 1] = (data[length >> 1] as number) ^ 0xff;
          return data;
        },
        close: async () => honest.close?.(),
      };
    },
  };
}

test("clients that give up in the middle, one after the other, leave the server with no file open", {
  timeout: 90_000,
}, async (context) => {
  if (!existsSync("/proc/self/fd")) context.skip("this system does not list open files under /proc");
  for (let i = 0; i < 8; i += 1) expect(await get("--ca", ca, "-o", "/dev/full")).toMatchObject({ status: 8 });
  await expect.poll(() => openFiles(server, "a.bin")).toBe(0);
  const out = join(folder, "after-many.bin");
  expect(await get("--ca", ca, "-o", out)).toMatchObject({ status: 0 });
  expect(sha256OfFile(out)).toBe(source);
});
