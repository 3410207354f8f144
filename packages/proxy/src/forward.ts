import { KwikError } from "@kwik/core";
import type { TunnelTarget } from "@kwik/tunnel";
import type { Bind } from "./local-listener.ts";

/** A local place, and what its connections lead to. */
export interface Forward {
  readonly bind: Bind;
  readonly target: TunnelTarget;
}

/** Where a place of the loopback is, if only a port is given. */
const LOOPBACK = "127.0.0.1";

/**
 * Reads `[bind:]port:host:hostport` as `ssh -L` does, with IPv6 in brackets; `port:unix:NAME` leads to a unix socket of the gateway; a path instead of
 * `[bind:]port`, with a slash in it, is a unix socket here. Throws INVALID_ARGUMENT.
 */
export function parseForward(text: string): Forward {
  const match =
    /^(?:(?<path>[^:]*\/[^:]*)|(?:(?<bind>\[[0-9a-fA-F:.]+\]|[^:[\]]*):)?(?<port>\d{1,5})):(?:unix:(?<name>[^:]+)|(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]]+):(?<hostport>\d{1,5}))$/.exec(
      text,
    );
  const groups = match?.groups;
  if (groups === undefined) throw wrong(text);
  const { path, bind, port, name, host, hostport } = groups;
  const target: TunnelTarget =
    name !== undefined ? { kind: "unix", name } : { kind: "tcp", host: bare(host ?? ""), port: portOf(text, hostport, 1) };
  return { bind: path !== undefined ? { path } : { host: hostOf(bind), port: portOf(text, port, 0) }, target };
}

/** Reads `[bind:]port`, or a path with a slash in it. Throws INVALID_ARGUMENT. */
export function parseBind(text: string): Bind {
  if (text.includes("/")) return { path: text };
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]*):)?(\d{1,5})$/.exec(text);
  if (match === null)
    throw new KwikError("INVALID_ARGUMENT", `"${text.slice(0, 200)}" is no place to listen; write PORT, HOST:PORT or a path with a slash`);
  return { host: hostOf(match[1]), port: portOf(text, match[2], 0) };
}

/** As in ssh, an empty host and * are all addresses. */
function hostOf(bind: string | undefined): string {
  if (bind === undefined) return LOOPBACK;
  return bind === "" || bind === "*" ? "::" : bare(bind);
}

function bare(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

function portOf(text: string, digits: string | undefined, least: number): number {
  const port = Number(digits);
  if (port >= least && port <= 65_535) return port;
  throw wrong(text);
}

function wrong(text: string): KwikError {
  return new KwikError(
    "INVALID_ARGUMENT",
    `"${text.slice(0, 200)}" is no forward; write [bind:]port:host:hostport, /path.sock:host:hostport or port:unix:NAME`,
  );
}
