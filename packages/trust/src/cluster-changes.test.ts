import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JoinAuthority } from "@kwik/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadClusterFile } from "./cluster-file.ts";
import { initCluster, type IssuedServer, issueClient, issueServer } from "./cluster.ts";
import { renewServer, revoke, rotateTicketKeys } from "./cluster-changes.ts";
import { identityOf, privateNameOf } from "./identity.ts";
import { joinAuthority } from "./join-authority.ts";
import { readRevocationList } from "./revocation-list.ts";
import { probe, withTlsServer } from "./tls-probe.fixture.ts";

const DAY_MS = 86_400_000;
const clientKey = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({ type: "spki", format: "der" });

let root: string;
let dir: string;
let a: IssuedServer;
let b: IssuedServer;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kwik-changes-"));
  dir = join(root, "cluster");
  await initCluster(dir);
  a = await issueServer(dir, { hosts: ["a.example", "10.0.0.1"], name: "a" });
  b = await issueServer(dir, { hosts: ["b.example"], name: "b" });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function authorityOf(server: IssuedServer): Promise<JoinAuthority> {
  return joinAuthority(await loadClusterFile(server.clusterFile), server.identity);
}

let path = 0;

/** Whether a ticket of one is taken by another: "ok", or the flaw. */
async function admits(from: JoinAuthority, to: JoinAuthority, identity: string): Promise<string> {
  path += 1;
  const subject = { sessionId: "0".repeat(32), pathId: path, memberId: 2, clientKey, clientIdentity: undefined };
  try {
    await to.verify(await from.mint({ ...subject, identity }), subject);
    return "ok";
  } catch (error) {
    return (error as { flaw?: string }).flaw ?? String(error);
  }
}

test("a renewed certificate has the same key, identity and hosts, and later dates; clients verify it as before", async () => {
  const ca = await readFile(join(dir, "ca.pem"), "utf8");
  const before = new X509Certificate(await readFile(a.certFile));
  const renewed = await renewServer(dir, { name: "a", now: Date.now() + 30 * DAY_MS });
  expect(renewed).toEqual(a);
  const pem = await readFile(a.certFile, "utf8");
  const after = new X509Certificate(pem);
  expect(identityOf(after)).toBe(a.identity);
  expect(after.serialNumber).not.toBe(before.serialNumber);
  expect(after.subjectAltName).toBe(before.subjectAltName);
  expect(Date.parse(after.validTo) - Date.parse(before.validTo)).toBeGreaterThanOrEqual(29 * DAY_MS);
  const again = await renewServer(dir, { name: "a", hosts: ["c.example"], validDays: 3 });
  expect(again.identity).toBe(a.identity);
  const chain = await readFile(a.certFile, "utf8");
  await withTlsServer(chain, await readFile(a.keyFile, "utf8"), async (port) => {
    expect(await probe(port, ca, "c.example")).toBe("ok");
    expect(await probe(port, ca, privateNameOf(a.identity))).toBe("ok");
    expect(await probe(port, ca, "a.example")).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  });
  expect((await stat(a.certFile)).mode & 0o777).toBe(0o644);
  expect((await readdir(a.dir)).sort()).toEqual(["cluster.json", "server.key", "server.pem"]);
});

test("what cannot be renewed is refused with what to do", async () => {
  const invalid = (text: string) => ({ code: "INVALID_ARGUMENT", message: expect.stringContaining(text) });
  await expect(renewServer(dir, { name: "nobody" })).rejects.toMatchObject(invalid("issue the server anew"));
  await expect(renewServer(join(root, "none"), { name: "a" })).rejects.toMatchObject(invalid("kwik cluster init"));
  await revoke(dir, { who: "b" });
  await expect(renewServer(dir, { name: "b" })).rejects.toMatchObject(invalid("was revoked on"));
});

test("across a rotation servers take each other's tickets, whoever has the new file already; two rotations apart they do not", async () => {
  const [oldA, oldB] = [await authorityOf(a), await authorityOf(b)];
  expect(await rotateTicketKeys(dir)).toEqual({ hasRotated: true, updated: ["a", "b"] });
  const [newA, newB] = [await authorityOf(a), await authorityOf(b)];
  expect([await admits(oldA, newB, b.identity), await admits(newA, oldB, b.identity)]).toEqual(["ok", "ok"]);
  expect([await admits(oldA, oldB, b.identity), await admits(newA, newB, b.identity)]).toEqual(["ok", "ok"]);
  await rotateTicketKeys(dir);
  const [latestA, latestB] = [await authorityOf(a), await authorityOf(b)];
  expect([await admits(newA, latestB, b.identity), await admits(latestA, newB, b.identity)]).toEqual(["ok", "ok"]);
  expect([await admits(oldA, latestB, b.identity), await admits(latestA, oldB, b.identity)]).toEqual(["unknown-key", "unknown-key"]);
  expect((await loadClusterFile(a.clusterFile)).ticketVerifyKeys).toHaveLength(3);
});

test("a folder without a next key gets one first, and rotates when it is asked again", async () => {
  await Promise.all(["ticket-next.key", "ticket-next.pub"].map((file) => rm(join(dir, file))));
  const oldA = await authorityOf(a);
  expect(await rotateTicketKeys(dir)).toMatchObject({ hasRotated: false, updated: ["a", "b"] });
  const published = await authorityOf(b);
  expect(await rotateTicketKeys(dir)).toMatchObject({ hasRotated: true });
  expect(await admits(await authorityOf(a), published, b.identity)).toBe("ok");
  expect(await admits(oldA, await authorityOf(b), b.identity)).toBe("ok");
});

test("a running authority takes the files of a rotation; what was used stays used, and what is broken changes nothing", async () => {
  const [running, other] = [await authorityOf(b), await authorityOf(a)];
  const subject = { sessionId: "0".repeat(32), pathId: 1, memberId: 2, clientKey, clientIdentity: undefined };
  const ticket = await other.mint({ ...subject, identity: b.identity });
  await running.verify(ticket, subject);
  await rotateTicketKeys(dir);
  const file = await loadClusterFile(b.clusterFile);
  await running.update(file);
  expect(await admits(await authorityOf(a), running, b.identity)).toBe("ok");
  await expect(running.verify(ticket, subject)).rejects.toMatchObject({ flaw: "replayed" });
  await expect(running.update({ ...file, ticketVerifyKeys: ["x"] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await admits(await authorityOf(a), running, b.identity)).toBe("ok");
});

test("a server that is revoked is on the list that the authority signs; its tickets and tickets for it are refused where the list is", async () => {
  const ca = await readFile(join(dir, "ca.pem"), "utf8");
  const [stolen, running] = [await authorityOf(b), await authorityOf(a)];
  const revoked = await revoke(dir, { who: "b", reason: "stolen", now: Date.UTC(2031, 4, 6) });
  expect(revoked).toEqual({ identity: b.identity, listFile: join(dir, "revoked.jws"), updated: ["a"] });
  expect(await readRevocationList(await readFile(revoked.listFile, "utf8"), ca)).toEqual({
    number: 1,
    revoked: [{ identity: b.identity, revokedAtMs: Date.UTC(2031, 4, 6), reason: "stolen" }],
  });
  // Where the news has not come yet, it is as before.
  expect(await admits(stolen, running, a.identity)).toBe("ok");
  await running.update(await loadClusterFile(a.clusterFile));
  expect(await admits(stolen, running, a.identity)).toBe("unknown-key");
  expect(await admits(running, stolen, b.identity)).toBe("revoked");
  expect([running.isRevoked(b.identity), running.isRevoked(a.identity)]).toEqual([true, false]);
  // The revoked server that is given the file admits nobody any more.
  await stolen.update(await loadClusterFile(a.clusterFile));
  expect(await admits(running, stolen, b.identity)).toBe("revoked");
  // Clients too, and by identity; the list grows.
  const client = await issueClient(dir, { name: "ali" });
  await revoke(dir, { who: client.identity });
  await revoke(dir, { who: "b" });
  const list = await readRevocationList(await readFile(revoked.listFile, "utf8"), ca);
  expect([list.number, list.revoked.map((entry) => entry.identity)]).toEqual([3, [client.identity, b.identity]]);
  await expect(revoke(dir, { who: "nobody" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a list that is older than the one in use is not taken", async () => {
  await revoke(dir, { who: "b" });
  const old = await loadClusterFile(a.clusterFile);
  const client = await issueClient(dir, { name: "ali" });
  await revoke(dir, { who: "ali" });
  const running = await authorityOf(a);
  await expect(running.update(old)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("older") });
  const { revoked: _revoked, ...without } = old;
  await expect(running.update(without)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(running.isRevoked(client.identity)).toBe(true);
});

test("a list that another has signed, or that was changed, is not believed", async () => {
  const other = join(root, "other");
  await initCluster(other);
  const foreign = await issueServer(other, { hosts: ["x.example"], name: "x" });
  await revoke(other, { who: "x" });
  const foreignList = await readFile(join(other, "revoked.jws"), "utf8");
  await revoke(dir, { who: "b" });
  const ca = await readFile(join(dir, "ca.pem"), "utf8");
  const list = (await readFile(join(dir, "revoked.jws"), "utf8")).trim();
  const [head = "", body = "", seal = ""] = list.split(".");
  const emptied = Buffer.from(JSON.stringify({ number: 9, revoked: [] })).toString("base64url");
  const unsigned = Buffer.from(JSON.stringify({ alg: "none", typ: "kwik-revoked+json", kid: identityOf(ca) })).toString("base64url");
  const wrong = [
    foreignList,
    "",
    "garbage",
    `${head}.${emptied}.${seal}`,
    `${head}.${body}.`,
    `${unsigned}.${emptied}.`,
    list.slice(0, -4),
  ];
  for (const text of wrong) await expect(readRevocationList(text, ca), text).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  await expect(readRevocationList(list, "no certificate")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(readRevocationList("x".repeat(5_000_000), ca)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  const file = await loadClusterFile(a.clusterFile);
  await expect(joinAuthority({ ...file, revoked: foreignList }, a.identity)).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  const { ca: _ca, ...withoutCa } = file;
  await expect(joinAuthority(withoutCa, a.identity)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  // With the authorities of both, both lists are good.
  const both = ca + (await readFile(join(other, "ca.pem"), "utf8"));
  expect((await readRevocationList(foreignList, both)).revoked[0]?.identity).toBe(foreign.identity);
});

test("a client's certificate is for a client and no host", async () => {
  const client = await issueClient(dir, { name: "ali" });
  const certificate = new X509Certificate(await readFile(client.certFile));
  expect([identityOf(certificate), certificate.subject]).toEqual([client.identity, "CN=kwik client ali"]);
  expect([certificate.subjectAltName, certificate.keyUsage]).toEqual([undefined, ["1.3.6.1.5.5.7.3.2"]]);
  expect((await stat(client.keyFile)).mode & 0o777).toBe(0o600);
  await expect(issueClient(dir, { name: "a" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(issueClient(dir, { name: "../up" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(renewServer(dir, { name: "ali" })).rejects.toMatchObject({ message: expect.stringContaining("is a client") });
});

test("a damaged folder is named, and nothing is changed in it", async () => {
  await writeFile(join(dir, "ticket.pub"), await readFile(join(dir, "ticket-next.pub")));
  const before = await readFile(join(dir, "ticket.key"), "utf8");
  const changes = [() => rotateTicketKeys(dir), () => revoke(dir, { who: "b" }), () => renewServer(dir, { name: "a" })];
  for (const change of changes)
    await expect(change()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("damaged") });
  expect(await readFile(join(dir, "ticket.key"), "utf8")).toBe(before);
  expect((await readdir(dir)).includes("revoked.jws")).toBe(false);
});

test("a list of revoked keys that cannot be read is not taken for none: nobody is believed again because of a disk", async () => {
  await revoke(dir, { who: "b" });
  const file = await readFile(a.clusterFile, "utf8");
  await rename(join(dir, "revoked.jws"), join(root, "revoked.jws"));
  // There, and not to be read.
  await mkdir(join(dir, "revoked.jws"));
  const changes = [() => rotateTicketKeys(dir), () => renewServer(dir, { name: "a" }), () => issueServer(dir, { hosts: ["c.example"] })];
  for (const change of changes)
    await expect(change()).rejects.toMatchObject({ code: "IO", message: expect.stringContaining("revoked.jws") });
  expect(await readFile(a.clusterFile, "utf8")).toBe(file);
  await rm(join(dir, "revoked.jws"), { recursive: true });
  await rename(join(root, "revoked.jws"), join(dir, "revoked.jws"));
  await rm(join(dir, "a", "server.pem"));
  await mkdir(join(dir, "a", "server.pem"));
  await expect(rotateTicketKeys(dir)).rejects.toMatchObject({ code: "IO", message: expect.stringContaining("server.pem") });
});
