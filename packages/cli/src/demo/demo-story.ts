import type { PathInfo } from "kwik";
import { formatBytes, formatRate, formatSeconds } from "../byte-size.ts";
import type { DemoServer } from "./demo-servers.ts";

export interface DemoOutcome {
  readonly servers: readonly DemoServer[];
  readonly paths: readonly PathInfo[];
  readonly killed: DemoServer | undefined;
  readonly bytes: number;
  readonly seconds: number;
  readonly longestGapMs: number;
  /** What each server was allowed to send, in bytes per second. */
  readonly rate: number;
  readonly sha256: string;
}

/** The summary of a demo, line by line. */
export function storyOf(outcome: DemoOutcome): string[] {
  const { servers, paths, killed, bytes, seconds, longestGapMs, rate, sha256 } = outcome;
  const gave = servers.map((server) =>
    paths.filter((path) => path.address === server.address).reduce((sum, path) => sum + path.bytesReceived, 0),
  );
  const total = gave.reduce((sum, one) => sum + one, 0);
  const shares = servers.map((server, index) => {
    const given = gave[index] as number;
    const fate = server === killed ? ", until it was killed" : "";
    return `  ${server.name}  ${server.address}  gave ${formatBytes(given)} (${Math.round((100 * given) / Math.max(1, total))} %)${fate}`;
  });
  return [
    `The file is complete and right: ${formatBytes(bytes)}, SHA-256 ${sha256}, the same as the source's.`,
    ...shares,
    killed === undefined
      ? "  The download was over before a server could be killed; give a larger file."
      : `  ${killed.name} was killed half-way. The download went on by itself; the longest time without new bytes was ${formatSeconds(longestGapMs / 1000)}.`,
    `  It took ${formatSeconds(seconds)}, ${formatRate(bytes / seconds)}. One of these servers alone, at ${formatRate(rate)}, would have needed ${formatSeconds(bytes / rate)}.`,
  ];
}
