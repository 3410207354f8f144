import { createHash, X509Certificate } from "node:crypto";
import { Chromium } from "../browser/chromium.ts";
import type { FileResult, TransferResult, TransferTask } from "../browser/page-task.ts";
import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { FileServers } from "../process/file-servers.ts";
import type { WebServerReady } from "../raw/web-server.ts";
import { median } from "../sampling.ts";

const MB = 1e6;
/** Of one round. */
const BYTES = 100 * MB;
const ROUNDS = 5;
const WARM_UP_ROUNDS = 3;
const PAGE_TIMEOUT_MS = 150_000;
const SERVERS = 3;
const SERVER_RATE_MB = 10;
/** Long enough that beginning and end are less than the twentieth that the bar leaves. */
const FILE_BYTES = 240 * MB;

/** A page in Chromium: a stream against a bare WebTransport stream of the same page, and one file over three servers. */
export async function browser(): Promise<Measurement[]> {
  const chromium = await Chromium.find();
  const measurements: Measurement[] = [];
  for (const direction of ["download", "upload"] as const) measurements.push(await transfer(chromium, direction));
  return [...measurements, await file(chromium)];
}

async function transfer(chromium: Chromium, direction: TransferTask["direction"]): Promise<Measurement> {
  using kwikServer = await BenchProcess.start("kwik-server", { web: true });
  using bareServer = await BenchProcess.start("web-server");
  const ready = bareServer.ready as WebServerReady;
  const hash = createHash("sha256").update(new X509Certificate(ready.certificate).raw).digest();
  const task: TransferTask = {
    kind: "transfer",
    direction,
    bytes: BYTES,
    warmUpRounds: WARM_UP_ROUNDS,
    rounds: ROUNDS,
    kwik: { url: here(String(kwikServer.ready)), certificate: await kwikServer.ask<string>("certificate") },
    bare: { url: `https://${ready.address}/kwik`, certificateHash: [...hash] },
  };
  const seconds = await chromium.run<TransferResult>(task, PAGE_TIMEOUT_MS);
  const kwik = BYTES / MB / median(seconds.kwik);
  const raw = BYTES / MB / median(seconds.bare);
  return {
    name: `browser: ${direction}, 1 stream`,
    value: kwik,
    unit: "MB/s",
    raw,
    ratio: kwik / raw,
    bar: { kind: "at least", limit: 0.8 },
    note: "raw is a bare WebTransport stream of the same page",
  };
}

async function file(chromium: Chromium): Promise<Measurement> {
  const flags = ["--listen", "0.0.0.0:0", "--web", "--allow-origin", "*"];
  await using servers = await FileServers.start({ count: SERVERS, fileBytes: FILE_BYTES, rate: `${SERVER_RATE_MB}MB/s`, flags });
  const served = servers.served.map(({ url, certificate }) => ({ url: here(url), certificate }));
  const fetch = (): Promise<FileResult> => chromium.run({ kind: "file", path: servers.fileName, servers: served }, PAGE_TIMEOUT_MS);
  // The first download waits until each server has hashed the file.
  await fetch();
  const result = await fetch();
  if (result.bytes !== FILE_BYTES) throw new Error(`${result.bytes} of ${FILE_BYTES} bytes came`);
  const value = result.bytes / MB / result.seconds;
  return {
    name: `browser: three servers of ${SERVER_RATE_MB} MB/s`,
    value,
    unit: "MB/s",
    ratio: value / (SERVERS * SERVER_RATE_MB),
    bar: { kind: "at least", limit: 0.95 },
    note: "ratio is to their sum; bytes verified",
  };
}

/** A server on all addresses, as a page on this machine reaches it. */
function here(url: string): string {
  return `kwik://127.0.0.1:${url.replace(/^.*:/, "")}`;
}
