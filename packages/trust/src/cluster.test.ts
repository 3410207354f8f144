import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadClusterFile } from "./cluster-file.ts";
import { initCluster, issueServer } from "./cluster.ts";
import { identityOf, privateNameOf } from "./identity.ts";
import { probe, withTlsServer } from "./tls-probe.fixture.ts";

let root: string;
let dir: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kwik-cluster-"));
  dir = join(root, "cluster");
});
afterEach(() => rm(root, { recursive: true, force: true }));

test("a client that has only ca.pem verifies an issued server by host name and by private name", async () => {
  const { caFile } = await initCluster(dir);
  const issued = await issueServer(dir, { hosts: ["kwik.example", "10.0.0.1"] });
  const [ca, cert, key] = await Promise.all([caFile, issued.certFile, issued.keyFile].map((file) => readFile(file, "utf8")));
  await withTlsServer(cert as string, key as string, async (port) => {
    expect(await probe(port, ca as string, "kwik.example")).toBe("ok");
    expect(await probe(port, ca as string, privateNameOf(issued.identity))).toBe("ok");
    expect(await probe(port, ca as string, "localhost")).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(await probe(port, cert as string, "kwik.example")).toBe("ok");
  });
});

test("the authority can sign servers and nothing below them, and servers can sign nothing", async () => {
  const { caFile, identity } = await initCluster(dir);
  const ca = new X509Certificate(await readFile(caFile));
  expect(ca.ca).toBe(true);
  expect(identityOf(ca)).toBe(identity);
  // basicConstraints, critical: CA true, path length 0
  expect(ca.raw.toString("hex")).toContain("0603551d130101ff040830060101ff020100");
  const issued = await issueServer(dir, { hosts: ["a.example"] });
  const leaf = new X509Certificate(await readFile(issued.certFile));
  expect(leaf.ca).toBe(false);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.checkIssued(ca)).toBe(true);
  expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(identityOf(leaf)).toBe(issued.identity);
});

test("keys are for their owner only, certificates for everybody, and a server's folder has what the server needs", async () => {
  await initCluster(dir);
  const issued = await issueServer(dir, { hosts: ["a.example"], name: "node-1" });
  expect(issued.dir).toBe(join(dir, "node-1"));
  expect((await readdir(dir)).sort()).toEqual([
    "ca.key",
    "ca.pem",
    "node-1",
    "ticket-next.key",
    "ticket-next.pub",
    "ticket.key",
    "ticket.pub",
  ]);
  expect((await readdir(issued.dir)).sort()).toEqual(["cluster.json", "server.key", "server.pem"]);
  for (const file of [
    "ca.key",
    "ca.pem",
    "ticket.key",
    "ticket.pub",
    "ticket-next.key",
    "ticket-next.pub",
    "node-1/cluster.json",
    "node-1/server.key",
    "node-1/server.pem",
  ]) {
    expect((await stat(join(dir, file))).mode & 0o777).toBe(file.endsWith(".key") || file.endsWith(".json") ? 0o600 : 0o644);
  }
  const cluster = await loadClusterFile(issued.clusterFile);
  expect(cluster.ca).toBe(await readFile(join(dir, "ca.pem"), "utf8"));
  expect(cluster.ticketVerifyKeys).toEqual(
    await Promise.all(["ticket.pub", "ticket-next.pub"].map((file) => readFile(join(dir, file), "utf8"))),
  );
  expect(cluster.ticketSigningKey).toBe(await readFile(join(dir, "ticket.key"), "utf8"));
});

test("nothing is overwritten: neither a cluster nor a server", async () => {
  await initCluster(dir);
  const before = await readFile(join(dir, "ca.key"), "utf8");
  await expect(initCluster(dir)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("already") });
  expect(await readFile(join(dir, "ca.key"), "utf8")).toBe(before);
  await issueServer(dir, { hosts: ["a.example"] });
  await expect(issueServer(dir, { hosts: ["a.example"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("exists already"),
  });
});

test("what cannot be issued is refused with what to do", async () => {
  await expect(issueServer(dir, { hosts: ["a.example"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("kwik cluster init"),
  });
  await initCluster(dir);
  for (const options of [
    { hosts: [] },
    { hosts: ["no good"] },
    { hosts: ["a.example"], name: "../up" },
    { hosts: ["a.example"], name: "" },
    { hosts: ["x.id.kwik.internal"] },
  ]) {
    await expect(issueServer(dir, options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  expect((await issueServer(dir, { hosts: ["2001:db8::1"] })).dir).toBe(join(dir, "2001-db8--1"));
  await writeFile(join(dir, "ca.key"), await readFile(join(dir, "ticket.key")));
  await expect(issueServer(dir, { hosts: ["b.example"] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("damaged"),
  });
});

test("a server's certificate does not outlive the authority, and an expired authority issues none", async () => {
  const now = Date.UTC(2030, 0, 1);
  await initCluster(dir, { now, validDays: 100 });
  const ca = new X509Certificate(await readFile(join(dir, "ca.pem")));
  const issued = await issueServer(dir, { hosts: ["a.example"], now });
  expect(new X509Certificate(await readFile(issued.certFile)).validTo).toBe(ca.validTo);
  await expect(issueServer(dir, { hosts: ["b.example"], now: now + 101 * 86_400_000 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("a path that is a file is an IO error", async () => {
  await writeFile(dir, "");
  await expect(initCluster(join(dir, "below"))).rejects.toMatchObject({ code: "IO" });
});

test("a cluster file says which field is wrong", async () => {
  await initCluster(dir);
  const { clusterFile } = await issueServer(dir, { hosts: ["a.example"] });
  const good = JSON.parse(await readFile(clusterFile, "utf8"));
  const caKey = await readFile(join(dir, "ca.key"), "utf8");
  const cases: [unknown, string][] = [
    ["{", "JSON"],
    [[], "not a JSON object"],
    [{ ...good, version: 2 }, '"version" is 2'],
    [{ ...good, ca: undefined }, '"ca"'],
    [{ ...good, ca: "x" }, '"ca"'],
    [{ ...good, ticketVerifyKeys: [] }, '"ticketVerifyKeys"'],
    [{ ...good, ticketVerifyKeys: ["x"] }, '"ticketVerifyKeys[0]"'],
    [{ ...good, ticketVerifyKeys: [caKey] }, "Ed25519"],
    [{ ...good, ticketSigningKey: 7 }, '"ticketSigningKey"'],
    [{ ...good, ticketSigningKey: caKey }, "Ed25519"],
    [{ ...good, ticketLifetimeMs: -1 }, '"ticketLifetimeMs"'],
    [{ ...good, revoked: 7 }, '"revoked"'],
  ];
  const path = join(root, "x.json");
  for (const [content, text] of cases) {
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    await expect(loadClusterFile(path)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(text) });
  }
  await expect(loadClusterFile(join(root, "missing.json"))).rejects.toMatchObject({ code: "IO" });
  await writeFile(path, JSON.stringify({ ...good, ticketSigningKey: undefined, ticketLifetimeMs: 5000 }));
  expect(await loadClusterFile(path)).toEqual({ ca: good.ca, ticketVerifyKeys: good.ticketVerifyKeys, ticketLifetimeMs: 5000 });
});
