import type { TlsFlags } from "../tls-flags.ts";
import type { ReplacementFlags } from "./replacement-flags.ts";
import type { WebFlags } from "./web-flags.ts";

/** What `kwik serve` is told. */
export interface ServeFlags extends WebFlags, TlsFlags, ReplacementFlags {
  readonly listen: string;
  readonly processes: number;
  readonly peer?: readonly string[];
  readonly rate?: string;
  readonly name?: string;
  readonly metrics?: string;
  readonly grace: number;
  readonly writeCert?: string;
  readonly json?: boolean;
}
