import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { kwik, type ServerProcess, sha256OfFile, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();
const cluster = join(folder, "cluster");
const ca = join(cluster, "ca.pem");
const revoked = join(cluster, "revoked.jws");
const source = writeRandomFile(join(folder, "files/a.bin"), 3_000_000);

beforeAll(async () => {
  for (const args of [["init"], ["issue", "--host", "127.0.0.1", "--name", "a"], ["issue", "--host", "127.0.0.1", "--name", "b"]]) {
    const [command = "", ...flags] = args;
    expect((await kwik("cluster", command, cluster, ...flags)).status).toBe(0);
  }
}, 60_000);

/** Starts a server on copies of its files, as on another machine. */
async function start(name: string, ...flags: string[]): Promise<ServerProcess> {
  copyTo(name, "server.pem", "server.key", "cluster.json");
  const [cert, key, json] = ["server.pem", "server.key", "cluster.json"].map((file) => join(folder, `${name}-${file}`)) as [
    string,
    string,
    string,
  ];
  return startServer(join(folder, "files"), "--cert", cert, "--key", key, "--cluster", json, "--name", name, ...flags);
}

function copyTo(name: string, ...files: string[]): void {
  for (const file of files) {
    const target = join(folder, `${name}-${file}`);
    copyFileSync(join(cluster, name, file), `${target}.new`);
    renameSync(`${target}.new`, target);
  }
}

async function said(server: ServerProcess, text: RegExp): Promise<void> {
  await expect.poll(() => server.said(), { timeout: 30_000 }).toMatch(text);
}

async function get(server: ServerProcess, ...flags: string[]): ReturnType<typeof kwik> {
  const out = join(folder, "out.bin");
  const outcome = await kwik("get", `${server.url}/a.bin`, "--ca", ca, "-o", out, ...flags);
  if (outcome.status === 0) expect(sha256OfFile(out)).toBe(source);
  return outcome;
}

test("a renewed certificate, a rotation and a revocation reach servers that run, with SIGHUP", async () => {
  const a = await start("a");
  expect((await get(a, "--from", (await start("b")).url)).status).toBe(0);

  // A certificate for another name, so that the one in use is known apart.
  expect(await kwik("cluster", "renew", cluster, "a", "--host", "elsewhere.example")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(a.identity) as string,
  });
  copyTo("a", "server.pem");
  a.child.kill("SIGHUP");
  await said(a, /the certificate in .*a-server\.pem is new and in use/);
  expect(await get(a)).toMatchObject({ status: 4 });
  expect((await kwik("cluster", "renew", cluster, "a", "--host", "127.0.0.1")).status).toBe(0);
  copyTo("a", "server.pem");
  // Without a signal it is found as well.
  await expect.poll(() => a.said().match(/server\.pem is new and in use/g)?.length, { timeout: 30_000 }).toBe(2);
  expect((await get(a)).status).toBe(0);

  writeFileSync(join(folder, "a-cluster.json"), "{}");
  a.child.kill("SIGHUP");
  await said(a, /a-cluster\.json is new and cannot be used, so the one before stays/);
  expect(await kwik("cluster", "rotate", cluster)).toMatchObject({ status: 0, stdout: expect.stringMatching(/a, b\n$/) as string });
  copyTo("a", "cluster.json");
  a.child.kill("SIGHUP");
  await said(a, /a-cluster\.json is new and in use/);

  const revocation = await kwik("cluster", "revoke", cluster, "a", "--reason", "the disk was stolen");
  expect(revocation).toMatchObject({ status: 0, stdout: expect.stringContaining(`revoked ${a.identity}`) as string });
  expect(revocation.stdout).toMatch(/run.*: b\n/);
  expect((await get(a)).status).toBe(0);
  expect(await get(a, "--revoked", revoked)).toMatchObject({ status: 4, stderr: expect.stringMatching(/revoked/) as string });
  expect(await kwik("cluster", "renew", cluster, "a")).toMatchObject({
    stderr: expect.stringMatching(/a was revoked on \d{4}-/) as string,
  });
}, 120_000);

test("what contradicts itself is a usage error", async () => {
  for (const args of [
    ["cluster", "issue", cluster, "--client", "--host", "x.example"],
    ["cluster", "issue", cluster, "--client"],
    ["cluster", "issue", cluster],
    ["cluster", "revoke", cluster, "nobody"],
    ["ls", "kwik://127.0.0.1:1/", "--revoked", revoked],
  ]) {
    const outcome = await kwik(...args);
    expect(outcome, args.join(" ")).toMatchObject({ status: 2 });
    expect(outcome.stderr).not.toBe("");
  }
  expect(await kwik("cluster", "issue", cluster, "--client", "--name", "robot")).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/identity sha256:[0-9a-f]{64}/) as string,
  });
});
