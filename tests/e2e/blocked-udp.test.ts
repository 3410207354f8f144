import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { missingPrograms } from "../debian/programs.ts";
import { fileReaches, kill, reportOf, sha256OfFile, startKwik, startServerWith, testFolder, writeRandomFile } from "./kwik-process.ts";

const SIZE = 30_000_000;
const NETNS = `kwik-e2e-${process.pid}`;
const folder = testFolder();
const files = join(folder, "files");
const source = writeRandomFile(join(files, "a.bin"), SIZE);
let isMade = false;
let whyNot: string | undefined;
let isKnown = false;

afterAll(() => {
  if (isMade) run("ip", "netns", "del", NETNS);
});

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
}

/** A namespace of our own with a loopback in which rules can be set, or why there is none. */
function makeNamespace(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "network namespaces can be made by root on Linux only";
  try {
    const missing = missingPrograms({ "/usr/sbin/nft": "nftables", "/usr/bin/ip": "iproute2" });
    if (missing !== undefined) return missing;
    run("ip", "netns", "add", NETNS);
    isMade = true;
    run("ip", "-n", NETNS, "link", "set", "lo", "up");
    return undefined;
  } catch (error) {
    return `no network namespace can be made here: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
  }
}

/** Why these tests cannot run here; the namespace is made once. */
function unavailable(): string | undefined {
  if (!isKnown) whyNot = makeNamespace();
  isKnown = true;
  return whyNot;
}

function nft(...words: string[]): void {
  run("ip", "netns", "exec", NETNS, "nft", ...words);
}

function blockUdp(): void {
  nft("add", "table", "inet", "kwik");
  nft("add", "chain", "inet", "kwik", "out", "{ type filter hook output priority 0 ; }");
  nft("add", "rule", "inet", "kwik", "out", "meta", "l4proto", "udp", "drop");
}

function letUdpPass(): void {
  nft("delete", "table", "inet", "kwik");
}

test("a download goes on over TCP when UDP is blocked at half of it, and without UDP it begins over TCP", async (context) => {
  const reason = unavailable();
  if (reason !== undefined) context.skip(reason);
  const server = await startServerWith({ netns: NETNS }, files, "--rate", "10MB/s");
  const get = (out: string): string[] => ["get", `${server.url}/a.bin`, "--pin", server.identity, "-o", join(folder, out), "--json"];
  const download = startKwik(get("half.bin"), { netns: NETNS });
  await fileReaches(join(folder, "half.bin"), SIZE / 2);
  blockUdp();
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(sha256OfFile(join(folder, "half.bin"))).toBe(source);
  const report = reportOf(outcome);
  expect(report.paths).toMatchObject([
    { transport: "quic", transportChoice: "race" },
    { transport: "tcp", transportChoice: "fallback" },
  ]);
  expect(outcome.stderr).toContain("goes on over tcp; the other transport is silent");
  process.stderr.write(`longest gap when UDP was blocked: ${String(report.longestGapMs)} ms\n`);

  const begun = await startKwik(get("whole.bin"), { netns: NETNS }).outcome;
  expect(begun.status, begun.stderr).toBe(0);
  expect(statSync(join(folder, "whole.bin")).size).toBe(SIZE);
  expect(reportOf(begun).paths.map((path) => path.transport)).toEqual(["tcp"]);
  letUdpPass();
  await kill(server);
}, 90_000);

test("when UDP passes again, the download goes back to QUIC, and the path over TCP is closed", async (context) => {
  const reason = unavailable();
  if (reason !== undefined) context.skip(reason);
  const server = await startServerWith({ netns: NETNS }, files, "--rate", "2MB/s");
  const out = join(folder, "back.bin");
  const download = startKwik(["get", `${server.url}/a.bin`, "--pin", server.identity, "-o", out, "--json"], { netns: NETNS });
  await fileReaches(out, SIZE / 20);
  blockUdp();
  await expect.poll(download.said).toContain("it stopped answering");
  letUdpPass();
  const outcome = await download.outcome;
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(sha256OfFile(out)).toBe(source);
  expect(outcome.stderr).toContain("is reached over quic again");
  const report = reportOf(outcome);
  expect(report.paths).toMatchObject([
    { transport: "quic", state: "dead" },
    { transport: "tcp", transportChoice: "fallback", state: "closed" },
    { transport: "quic", transportChoice: "return", state: "active" },
  ]);
  expect(report.paths[2]?.bytes).toBeGreaterThan(SIZE / 10);
  process.stderr.write(`longest gap with UDP blocked and back: ${String(report.longestGapMs)} ms\n`);
  await kill(server);
}, 90_000);
