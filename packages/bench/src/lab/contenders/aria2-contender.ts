import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loopbackCertificate } from "../../raw/loopback-certificate.ts";
import { pause } from "../../sampling.ts";
import { bytesOf } from "../cells/cell.ts";
import type { LabNetwork } from "../network/lab-network.ts";
import { epochMs, patternAt } from "../process/arrival-log.ts";
import type { CounterSample } from "../roles/counter.ts";
import { FaultClock } from "./fault-clock.ts";
import type { LabBench, RunOrder } from "./lab-bench.ts";
import { LineProbe } from "./line-probe.ts";
import { idleLines, lineUse } from "./line-use.ts";
import { settle, timeoutMsOf } from "./measured-run.ts";
import { rateOf, type RunRecord } from "./run-record.ts";

const READY_MS = 5_000;
/** Connections to each server; more than one, as its users set it for speed. */
const CONNECTIONS_PER_SERVER = 4;
const TICKS_PER_SECOND = 100;

/** Aria2 over HTTPS, from an nginx on each server. */
export async function runAria2(bench: LabBench, order: RunOrder): Promise<RunRecord> {
  const network = bench.network("servers");
  const bytes = bytesOf(bench.cell);
  const file = bench.files.nameOf(bytes);
  using stack = new DisposableStack();
  const servers = await Promise.all(
    Array.from({ length: network.serverCount }, (_, index) => startNginx(network, index, bench.files.directory)),
  );
  stack.defer(() => {
    for (const server of servers) server.kill("SIGKILL");
  });
  const counter = await bench.counter(network);
  const lines = [...network.lines.keys()];
  const probe = new LineProbe(
    network,
    lines.map((line) => network.serverAddress(line)),
  );
  const faults = new FaultClock(network, bench.cell.fault, (server) => servers[server]?.kill("SIGKILL"));
  await counter.ask("samples");
  faults.start();
  const urls = lines.map((line) => `https://${network.serverAddress(line)}/${file}`);
  const startedAt = epochMs();
  const result = await fetchAll(network, bench.files.directory, urls, timeoutMsOf(bytes, network.lines));
  const seconds = (epochMs() - startedAt) / 1000;
  const samples = await counter.ask<CounterSample[]>("samples");
  faults.stop();
  const probed = await probe.stop();
  const output = join(bench.files.directory, "aria2-output");
  const failure = result.failure ?? (isWhole(output, bytes) ? undefined : "other bytes came than were served");
  rmSync(output, { force: true });
  const use = lineUse(samples, "down");
  const cpuSeconds = result.cpuSeconds + servers.reduce((sum, server) => sum + cpuSecondsOf(server.pid ?? -1), 0);
  const record: RunRecord = {
    cell: order.cell.name,
    contender: order.contender,
    direction: "down",
    repeat: order.repeat,
    bytes: failure === undefined ? bytes : 0,
    seconds,
    megabitsPerSecond: failure === undefined ? rateOf(bytes, seconds) : 0,
    longestGapMs: use.longestGapMs,
    lastTwentiethMs: use.lastTwentiethMs,
    lineBytes: use.bytes,
    worstRoundTripMs: probed.map((one) => one.worstMs),
    usualRoundTripMs: probed.map((one) => one.usualMs),
    cpuSeconds,
    flags: bench.cell.fault === undefined ? idleLines(network.lines, use.bytes) : [],
    failure,
    events: [],
  };
  for (const server of servers) server.kill("SIGKILL");
  await settle();
  return record;
}

async function startNginx(network: LabNetwork, index: number, directory: string): Promise<ChildProcess> {
  const home = join(directory, `nginx-${index + 1}`);
  mkdirSync(home, { recursive: true });
  const { cert, key } = loopbackCertificate();
  writeFileSync(join(home, "cert.pem"), cert);
  writeFileSync(join(home, "key.pem"), key, { mode: 0o600 });
  writeFileSync(join(home, "nginx.conf"), nginxConfiguration(home, directory));
  const pidFile = join(home, "nginx.pid");
  rmSync(pidFile, { force: true });
  const child = network.spawn(index, ["nginx", "-p", home, "-e", join(home, "error.log"), "-c", join(home, "nginx.conf")], {
    stdio: "ignore",
  });
  child.on("error", () => undefined);
  for (let waited = 0; !existsSync(pidFile); waited += 20) {
    if (waited > READY_MS || child.exitCode !== null) throw new Error("nginx does not start");
    await pause(20);
  }
  return child;
}

/** One process without a master, so that killing it kills the server. */
export function nginxConfiguration(home: string, directory: string): string {
  return `daemon off;
master_process off;
user root;
pid ${home}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${home}/body;
  proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi;
  scgi_temp_path ${home}/scgi;
  server {
    listen 443 ssl;
    ssl_certificate ${home}/cert.pem;
    ssl_certificate_key ${home}/key.pem;
    root ${directory};
  }
}
`;
}

async function fetchAll(
  network: LabNetwork,
  directory: string,
  urls: readonly string[],
  timeoutMs: number,
): Promise<{ readonly cpuSeconds: number; readonly failure: string | undefined }> {
  const aria2 = ["aria2c", ...aria2Arguments(directory, urls)].map((word) => `'${word}'`).join(" ");
  // The shell's `times` is the only way to the processor time of a program that is over.
  const child = network.spawn("client", ["bash", "-c", `${aria2} >/dev/null; code=$?; times; exit $code`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let text = "";
  child.stdout?.on("data", (data: Buffer) => (text += data.toString()));
  const timer = setTimeout(() => endTree(child), timeoutMs);
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
    child.once("error", () => resolve(null));
  });
  clearTimeout(timer);
  const failure =
    code === 0 ? undefined : code === null ? `it took longer than ${Math.round(timeoutMs / 1000)} s` : `aria2 ended with status ${code}`;
  return { cpuSeconds: secondsOfTimes(text), failure };
}

/** Settings that suit many servers: some connections to each, small pieces, no delay by the disk. */
export function aria2Arguments(directory: string, urls: readonly string[]): string[] {
  return [
    "--no-conf",
    `--dir=${directory}`,
    "--out=aria2-output",
    "--check-certificate=false",
    "--allow-overwrite=true",
    "--file-allocation=none",
    `--max-connection-per-server=${CONNECTIONS_PER_SERVER}`,
    `--split=${CONNECTIONS_PER_SERVER * urls.length}`,
    "--min-split-size=1M",
    "--connect-timeout=2",
    "--timeout=2",
    "--retry-wait=1",
    "--summary-interval=0",
    "--quiet=true",
    ...urls,
  ];
}

/** The children's line of bash's `times`: "0m0.012s 0m0.034s". */
export function secondsOfTimes(text: string): number {
  const children = text.trim().split("\n").at(-1) ?? "";
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, match) => sum + Number(match[1]) * 60 + Number(match[2]), 0);
}

function endTree(child: ChildProcess): void {
  // The shell's child is the downloader.
  spawn("sh", ["-c", `kill -9 $(ps -o pid= --ppid ${child.pid ?? -1})`], { stdio: "ignore" }).on("error", () => undefined);
  child.kill("SIGKILL");
}

function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

function isWhole(path: string, bytes: number): boolean {
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch {
    return false;
  }
  if (data.length !== bytes) return false;
  for (let at = 0; at < bytes; at += 262_144) {
    const piece = data.subarray(at, at + 262_144);
    if (Buffer.compare(piece, patternAt(at, piece.length)) !== 0) return false;
  }
  return true;
}
