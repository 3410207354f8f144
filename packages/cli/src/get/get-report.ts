import type { PathInfo } from "kwik";
import { formatBytes, formatRate, formatSeconds } from "../byte-size.ts";
import type { Download } from "./download.ts";
import type { Output } from "./output.ts";

/** What a finished download was, for people and for programs. */
export interface GetReport {
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256: string;
  readonly paths: readonly {
    readonly id: number;
    readonly address: string;
    /** The relay that carries it; absent for a direct path. */
    readonly relay: string | undefined;
    readonly transport: string;
    /** Why it is this one, a `TransportChoice`. */
    readonly transportChoice: string | undefined;
    readonly state: string;
    readonly bytes: number;
  }[];
  /** Where the bytes are; absent for standard output. */
  readonly file?: string;
  /** Bytes that were there before. */
  readonly resumedFrom: number;
  /** The longest time between two arrivals of bytes, in milliseconds. */
  readonly longestGapMs: number;
  /** Sessions that it took, and how often they were without any server. */
  readonly sessions: number;
  readonly suspensions: number;
  /** Servers whose bytes are not used, and why. */
  readonly isolated: readonly { readonly address: string; readonly code: string; readonly reason: string }[];
}

/** To be called once, when the download is complete. */
export function reportOf(download: Download, output: Output, seconds: number): GetReport {
  return {
    bytes: output.position,
    seconds: Math.round(seconds * 1000) / 1000,
    sha256: output.hash.digest("hex"),
    paths: download.paths.map(pathRow),
    ...(output.isResumable ? { file: output.label } : {}),
    resumedFrom: download.resumedFrom,
    longestGapMs: Math.round(download.longestGapMs),
    sessions: download.sessions,
    suspensions: download.suspensions,
    isolated: download.isolated,
  };
}

/** The report in one sentence. */
export function sentenceOfReport(report: GetReport): string {
  const fetched = report.bytes - report.resumedFrom;
  const givers = new Set(report.paths.filter((path) => path.bytes >= MIN_SHARE_BYTES).map((path) => path.address)).size;
  const from =
    fetched === 0 ? "" : `, ${formatRate(fetched / Math.max(report.seconds, 0.001))} from ${givers} ${givers === 1 ? "server" : "servers"}`;
  const resumed = report.resumedFrom > 0 ? ` (${formatBytes(report.resumedFrom)} were there already)` : "";
  return `${report.file ?? "standard output"}: ${formatBytes(report.bytes)}${resumed} in ${formatSeconds(report.seconds)}${from}, verified, sha256 ${report.sha256}`;
}

/** Below this a server only took part in the talking. */
const MIN_SHARE_BYTES = 16_384;

function pathRow(path: PathInfo): GetReport["paths"][number] {
  return {
    id: path.id,
    address: path.address,
    relay: path.relay,
    transport: path.transport,
    transportChoice: path.transportChoice,
    state: path.state,
    bytes: path.bytesReceived,
  };
}
