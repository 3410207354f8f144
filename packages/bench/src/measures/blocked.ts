import { rmSync } from "node:fs";
import { join } from "node:path";
import { hostCommand, tryHostCommand } from "../lab/network/host-command.ts";
import { LabNetwork } from "../lab/network/lab-network.ts";
import { prepareTools } from "../lab/network/lab-tools.ts";
import type { Measurement } from "../measurement.ts";
import { FileServers } from "../process/file-servers.ts";
import { pause } from "../sampling.ts";

const ROUNDS = 5;
const RATE_MB = 20;
const MB = 1e6;
const FILE_BYTES = 60 * MB;
const GET_TIMEOUT_MS = 40_000;
/** The laboratory removes what a killed run left of namespaces with such names. */
const NAMESPACE = `kwik-lab-${process.pid}-blocked`;

/** The last line of `kwik get --json`, as far as it is used here. */
interface GetReport {
  readonly sha256: string;
  readonly longestGapMs: number;
  readonly paths: readonly { readonly transport: string }[];
}

/** UDP is dropped at half of a download over QUIC: how long nothing comes until it goes on over TCP. */
export async function blocked(): Promise<Measurement[]> {
  const reason = prepareTools(["ip", "nft"]);
  if (reason !== undefined) throw new Error(reason);
  LabNetwork.removeStale();
  const cleanUp = (): void => tryHostCommand("ip", ["netns", "del", NAMESPACE]);
  process.once("exit", cleanUp);
  try {
    hostCommand("ip", ["netns", "add", NAMESPACE]);
    hostCommand("ip", ["-n", NAMESPACE, "link", "set", "lo", "up"]);
    return [await measured()];
  } finally {
    process.off("exit", cleanUp);
    cleanUp();
  }
}

async function measured(): Promise<Measurement> {
  const by = ["ip", "netns", "exec", NAMESPACE];
  const flags = ["--listen", "127.0.0.1:0"];
  await using servers = await FileServers.start({ count: 1, fileBytes: FILE_BYTES, rate: `${RATE_MB}MB/s`, flags, by });
  // The first download waits until the server has hashed the file.
  await fetchFile(servers);
  const gaps: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const download = fetchFile(servers);
    await pause((FILE_BYTES / (RATE_MB * MB)) * 500);
    blockUdp();
    const { paths, longestGapMs } = await download;
    const transports = paths.map(({ transport }) => transport).join(", ");
    if (transports !== "quic, tcp") throw new Error(`the download went over ${transports}, not over quic and then tcp`);
    gaps.push(longestGapMs);
    letUdpPass();
  }
  const sorted = gaps.toSorted((a, b) => a - b);
  return {
    name: "blocked: longest gap when UDP is dropped at half",
    value: sorted.at(-1) ?? 0,
    unit: "ms",
    bar: { kind: "at most", limit: 1000 },
    note: `the longest of ${ROUNDS} downloads, the shortest ${sorted[0] ?? 0} ms; bytes verified`,
  };
}

async function fetchFile(servers: FileServers): Promise<GetReport> {
  const output = join(servers.directory, "got");
  const args = ["get", `${servers.served[0]?.url ?? ""}/${servers.fileName}`, "--insecure", "--json", "--quiet", "-o", output];
  const report = JSON.parse(await servers.run(args, GET_TIMEOUT_MS)) as GetReport;
  rmSync(output, { force: true });
  if (report.sha256 !== servers.sha256) throw new Error(`kwik get fetched other bytes than were served (sha256 ${report.sha256})`);
  return report;
}

function blockUdp(): void {
  nft("add", "table", "inet", "blocked");
  nft("add", "chain", "inet", "blocked", "out", "{ type filter hook output priority 0 ; }");
  nft("add", "rule", "inet", "blocked", "out", "meta", "l4proto", "udp", "drop");
}

function letUdpPass(): void {
  nft("delete", "table", "inet", "blocked");
}

function nft(...words: readonly string[]): void {
  hostCommand("ip", ["netns", "exec", NAMESPACE, "nft", ...words]);
}
