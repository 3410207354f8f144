import { KwikError } from "../api/errors.ts";

/** Where a server listens. */
export interface ServerAddress {
  /** Name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Port of a target that names none. */
export const DEFAULT_PORT = 4433;

/** Reads "kwik://host:port", "host:port" or "[v6]:port". Rejects anything else with INVALID_ARGUMENT. */
export function parseAddress(target: string | URL): ServerAddress {
  const text = String(target).replace(/^kwik:\/\//, "");
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:/?#[\]\s]+))(?::(\d{1,5}))?(?:\/.*)?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port > 65535 || /^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new KwikError("INVALID_ARGUMENT", `"${String(target)}" is not a server address; write kwik://host:port`);
  }
  return { host, port };
}

/** "host:port", IPv6 in brackets. */
export function formatAddress(address: ServerAddress): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
