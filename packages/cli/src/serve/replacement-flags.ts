import { collect } from "../dial-flags.ts";
import { parsePeer } from "./session-peers.ts";
import type { Command } from "commander";

/** What a server tells its clients when it is told to stop. */
export interface ReplacementFlags {
  readonly replacement?: readonly string[];
}

export function withReplacementFlag(command: Command, fallback: string): Command {
  return command.option(
    "--replacement <address>",
    `HOST:PORT that clients are sent to when this server is told to stop, the best first; repeatable (default: ${fallback})`,
    collect,
  );
}

/** As `listener.close` takes them. Throws a usage error for what is no address. */
export function replacementsOf(flags: ReplacementFlags, fallback: readonly string[]): string[] {
  return (flags.replacement ?? fallback).map((text) => {
    const { address, identity } = parsePeer(text);
    return identity === undefined ? address : `${address}#${identity}`;
  });
}
