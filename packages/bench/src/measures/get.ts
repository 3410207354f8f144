import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import { FileServers } from "../process/file-servers.ts";
import { pause } from "../sampling.ts";

const SERVERS = 3;
/** Long enough that beginning and end are less than the twentieth that the bar leaves. */
const FILE_BYTES = 400e6;
const RATE = "20MB/s";
const GET_TIMEOUT_MS = 40_000;
const MB = 1e6;

/** The last line of `kwik get --json`, as far as it is used here. */
interface GetReport {
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256: string;
  readonly longestGapMs?: number;
}

/** One file over three `kwik serve` processes of 20 MB/s each, and the same with one of them killed half-way. */
export async function get(): Promise<Measurement[]> {
  await using servers = await FileServers.start({ count: SERVERS, fileBytes: FILE_BYTES, rate: RATE, flags: ["--listen", "127.0.0.1:0"] });
  // The first download waits until each server has hashed the file.
  await fetchFile(servers, "first");
  const whole = await fetchFile(servers, "whole");
  const killed = fetchFile(servers, "killed");
  await pause((FILE_BYTES / (SERVERS * 20 * MB)) * 500);
  servers.kill(SERVERS - 1);
  const report = await killed;
  return [
    { name: "get: three servers of 20 MB/s", value: whole.bytes / MB / whole.seconds, unit: "MB/s", bar: { kind: "at least", limit: 57 } },
    { name: "get: one killed half-way", value: report.bytes / MB / report.seconds, unit: "MB/s", note: "bytes verified" },
    { name: "get: longest gap then", value: report.longestGapMs ?? 0, unit: "ms" },
  ];
}

/** Fetches the file over all servers and checks what came. */
async function fetchFile(servers: FileServers, name: string): Promise<GetReport> {
  const output = join(servers.directory, name);
  const [first, ...others] = servers.served.map(({ url }) => url);
  const from = others.flatMap((url) => ["--from", url]);
  const args = ["get", `${first ?? ""}/${servers.fileName}`, ...from, "--insecure", "--json", "--quiet", "-o", output];
  const report = JSON.parse(await servers.run(args, GET_TIMEOUT_MS)) as GetReport;
  rmSync(output, { force: true });
  if (report.sha256 !== servers.sha256) throw new Error(`kwik get fetched other bytes than were served (sha256 ${report.sha256})`);
  return report;
}
