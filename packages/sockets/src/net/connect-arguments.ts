import type { DialOptions, Session } from "@kwik/core";
import { KwikError, parseAddress } from "@kwik/core";
import type { KwikSocketOptions } from "./socket-options.ts";
import { codedError } from "./node-error.ts";
import type { Route } from "./route.ts";

/** Where a socket connects to, and how. One of: `server`; `gateway` with `host` and `port`; `host` and `port`, which is the server kwik://host:port. */
export interface ConnectOptions extends KwikSocketOptions {
  /** A kwik server, "kwik://host:port", whose streams are the connections (`createServer`), or a session with one. */
  server?: string | URL | Session | undefined;
  /** A gateway, "kwik://host:port", or a session with one: it makes a TCP connection to `host` and `port`, which are names and addresses of its network. */
  gateway?: string | URL | Session | undefined;
  /** Default "localhost". */
  host?: string | undefined;
  port?: number | string | undefined;
  /** How the session is dialled, if no socket with equal options has one: whom to trust, credentials, further servers. */
  dial?: DialOptions | undefined;
  /** As `setTimeout`, in milliseconds. Default: none. */
  timeout?: number | undefined;
}

export type ConnectListener = () => void;

/** As those of `net.connect`; a text is the URL of a server. */
export type ConnectArguments =
  | [options: ConnectOptions, listener?: ConnectListener]
  | [port: number | string, host?: string, listener?: ConnectListener]
  | [port: number | string, listener?: ConnectListener];

/** The options and the listener, whichever way they were given. */
export function readConnectArguments(args: ConnectArguments): { options: ConnectOptions; listener: ConnectListener | undefined } {
  const [first, second] = args;
  const last = args.at(-1);
  const listener = typeof last === "function" ? last : undefined;
  if (typeof first === "object") return { options: first, listener };
  if (typeof first === "string" && first.includes("://")) return { options: { server: first }, listener };
  return { options: { port: first, host: typeof second === "string" ? second : undefined }, listener };
}

/** Throws as `net.connect` for a port that is none, and INVALID_ARGUMENT for options that lead nowhere. */
export function routeOf(options: ConnectOptions): Route {
  const dial = options.dial === undefined ? {} : { dial: options.dial };
  if (options.gateway !== undefined) {
    if (options.server !== undefined) throw new KwikError("INVALID_ARGUMENT", "give `server` or `gateway`, not both");
    const { gateway, host = "localhost" } = options;
    return { kind: "tunnel", gateway, host, port: portOf(options.port), ...dial };
  }
  const { server } = options;
  if (server === undefined) {
    const address = { host: options.host ?? "localhost", port: portOf(options.port) };
    return { kind: "direct", server: urlOf(address.host, address.port), ...address, ...dial };
  }
  if (typeof server !== "string" && !(server instanceof URL)) return { kind: "direct", server, host: undefined, port: undefined };
  const { host, port } = parseAddress(server);
  return { kind: "direct", server, host, port, ...dial };
}

function urlOf(host: string, port: number): string {
  return `kwik://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function portOf(port: number | string | undefined): number {
  const number = typeof port === "string" && port.trim() !== "" ? Number(port) : port;
  if (typeof number === "number" && Number.isInteger(number) && number > 0 && number < 65536) return number;
  if (port === undefined) {
    const error = new TypeError(
      'The "options" argument needs a "port", a "server" or a "gateway"; unix sockets cannot be reached over kwik',
    );
    throw codedError(error, "ERR_MISSING_ARGS");
  }
  throw codedError(new RangeError(`Port should be > 0 and < 65536. Received ${String(port)}.`), "ERR_SOCKET_BAD_PORT");
}
