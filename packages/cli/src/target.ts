import { formatAddress, isKwikError, parseAddress } from "kwik";
import { CommandError, ExitStatus } from "./exit-status.ts";

/** What a command line names: a server, and possibly something on it. */
export interface Target {
  /** "kwik://host:port", or "kwik+tcp://host:port" where it names a transport. */
  readonly server: string;
  /** "host:port", with the scheme where that names a transport. */
  readonly address: string;
  /** Without a slash in front; "" if none was given. */
  readonly path: string;
}

/** Reads kwik://HOST:PORT/PATH; percent signs are decoded. Throws a usage error for anything else. */
export function parseTarget(text: string): Target {
  const match = /^((?:kwik(?:\+[a-z]+)?:\/\/)?[^/]+)(?:\/([\s\S]*))?$/.exec(text);
  try {
    const address = formatAddress(parseAddress(match?.[1] ?? text));
    return { server: address.includes("://") ? address : `kwik://${address}`, address, path: decoded(match?.[2] ?? "") };
  } catch (error) {
    if (!isKwikError(error)) throw error;
    throw new CommandError(ExitStatus.usage, `"${text}" is not an address; write kwik://HOST:PORT/PATH`, { cause: error });
  }
}

/** A percent sign that begins no escape stands for itself. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
