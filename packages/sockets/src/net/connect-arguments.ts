import { isIP } from "node:net";
import { inspect } from "node:util";
import type { DialOptions, Session } from "@kwik/core";
import { KwikError, parseAddress } from "@kwik/core";
import { checkCallback, checkMilliseconds, invalidType, missingArguments, portNumber } from "./argument-errors.ts";
import { codedError } from "./node-error.ts";
import type { KwikSocketOptions } from "./socket-options.ts";
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
  const [first, second] = args as readonly unknown[];
  const last = args.at(-1);
  const listener = typeof last === "function" ? last : undefined;
  if (typeof first === "object" && first !== null) return { options: first, listener };
  if (typeof first === "string" && first.includes("://")) return { options: { server: first }, listener };
  const port = typeof first === "function" ? undefined : (first as ConnectOptions["port"]);
  return { options: { port, host: typeof second === "string" ? second : undefined }, listener };
}

/** Throws as `net.connect` for what is no port or host, and INVALID_ARGUMENT for options that lead nowhere. */
export function routeOf(options: ConnectOptions): Route {
  checkConnectOptions(options);
  const dial = options.dial === undefined ? {} : { dial: options.dial };
  const host = options.host === undefined || options.host === "" ? "localhost" : options.host;
  if (options.gateway !== undefined) {
    if (options.server !== undefined) throw new KwikError("INVALID_ARGUMENT", "give `server` or `gateway`, not both");
    return { kind: "tunnel", gateway: options.gateway, host, port: portOf(options), ...dial };
  }
  const { server } = options;
  if (server === undefined) {
    const port = portOf(options);
    return { kind: "direct", server: urlOf(host, port), host, port, ...dial };
  }
  if (typeof server !== "string" && !(server instanceof URL)) return { kind: "direct", server, host: undefined, port: undefined };
  const address = parseAddress(server);
  return { kind: "direct", server, host: address.host, port: address.port, ...dial };
}

function urlOf(host: string, port: number): string {
  return `kwik://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function portOf({ port }: ConnectOptions): number {
  if (port === undefined)
    throw missingArguments('The "options" need a "port", a "server" or a "gateway"; unix sockets cannot be reached over kwik');
  if (typeof port !== "number" && typeof port !== "string") throw invalidType("options.port", "of type number or string", port);
  return portNumber("Port", port);
}

/** Options of `net` that have no effect here are checked all the same, so that a mistake shows. */
function checkConnectOptions(options: ConnectOptions): void {
  const given: Partial<Record<string, unknown>> = { ...options };
  const { host, lookup, localAddress, localPort, autoSelectFamily, autoSelectFamilyAttemptTimeout: attemptMs } = given;
  if (host !== undefined && typeof host !== "string") throw invalidType("options.host", "of type string", host);
  if (lookup !== undefined) checkCallback("options.lookup", lookup);
  if (localAddress !== undefined && (typeof localAddress !== "string" || isIP(localAddress) === 0))
    throw codedError(new TypeError(`Invalid IP address: ${inspect(localAddress)}`), "ERR_INVALID_IP_ADDRESS");
  if (localPort !== undefined && typeof localPort !== "number") throw invalidType("options.localPort", "of type number", localPort);
  if (autoSelectFamily !== undefined && typeof autoSelectFamily !== "boolean")
    throw invalidType("options.autoSelectFamily", "of type boolean", autoSelectFamily);
  if (attemptMs !== undefined) checkMilliseconds("options.autoSelectFamilyAttemptTimeout", attemptMs, 1);
}
