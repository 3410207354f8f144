import type { Command } from "commander";
import { DEFAULT_RELAY_LIMITS, type RelayLimits, type RelayServerOptions } from "@kwik/gateway";
import { parseRate } from "../byte-size.ts";
import { count, seconds } from "../number-flags.ts";
import { relayPace } from "./relay-pace.ts";

/** What the command line says of the links that a relay carries. */
export interface LinkFlags {
  readonly maxLinks: number;
  readonly maxLinksPerClient: number;
  readonly linkRate?: string;
  readonly linkRatePerClient?: string;
  readonly linkIdleTimeout: number;
}

const { maxLinks, maxLinksPerClient, idleTimeoutMs } = DEFAULT_RELAY_LIMITS;

/** Adds --max-links, --max-links-per-client, --link-rate, --link-rate-per-client and --link-idle-timeout. */
export function withLinkFlags(command: Command): Command {
  return command
    .option("--max-links <count>", "links in all", count, maxLinks)
    .option("--max-links-per-client <count>", "links of one client", count, maxLinksPerClient)
    .option("--link-rate <rate>", "what all links carry goes no faster, both directions together, for instance 20MB/s")
    .option("--link-rate-per-client <rate>", "the same for one client")
    .option("--link-idle-timeout <seconds>", "ends links in which nothing moves; 0 is never", seconds, idleTimeoutMs / 1000);
}

/** Options of a relay as the flags say. Throws a usage error for what is no rate. */
export function relayOptionsOf(flags: LinkFlags): Pick<RelayServerOptions, "limits" | "pace"> {
  const limits: Partial<RelayLimits> = {
    maxLinks: flags.maxLinks,
    maxLinksPerClient: flags.maxLinksPerClient,
    idleTimeoutMs: flags.linkIdleTimeout * 1000,
  };
  if (flags.linkRate === undefined && flags.linkRatePerClient === undefined) return { limits };
  return { limits, pace: relayPace(rateOf(flags.linkRate), rateOf(flags.linkRatePerClient)) };
}

function rateOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseRate(text);
}
