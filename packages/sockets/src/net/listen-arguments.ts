import { KwikError, type Listener } from "@kwik/core";
import { invalidType, invalidValue, portNumber } from "./argument-errors.ts";

/** Where a server listens. */
export interface ServerListenOptions {
  /** Default 0: any free one. */
  port?: number | string | null | undefined;
  /** Default "0.0.0.0". */
  host?: string | undefined;
  /** A listener of `listen`, which becomes the server's: it takes all its sessions and closes it. Instead of `host` and `port`. */
  listener?: Listener | undefined;
  /** Closes the server when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** As those of `net.Server.listen`. A backlog is taken and has no effect. */
export type ListenArguments =
  | [options: ServerListenOptions, onListening?: () => void]
  | [port?: number | string | null, host?: string, backlog?: number, onListening?: () => void]
  | [port?: number | string | null, host?: string, onListening?: () => void]
  | [port: number | string | null, backlog: number, onListening?: () => void]
  | [port: number | string | null, onListening: () => void]
  | [onListening: () => void];

export interface ListenCall {
  readonly host: string;
  readonly port: number;
  readonly listener: Listener | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onListening: (() => void) | undefined;
}

/** Reads them whichever way they were given. Throws as `net` for what is no port or place, and NOT_SUPPORTED for paths and handles. */
export function readListenArguments(args: ListenArguments): ListenCall {
  const [first, second] = args as unknown[];
  const last = args.at(-1);
  const onListening = typeof last === "function" ? last : undefined;
  if (typeof first === "object" && first !== null) return { ...readOptions(first), onListening };
  const isAny = first === undefined || first === null || typeof first === "function";
  if (!isAny && typeof first !== "number" && typeof first !== "string") throw invalidValue("options", first);
  if (typeof first === "string" && Number.isNaN(Number(first))) throw notTcp(`the unix socket ${first}`);
  const port = isAny ? 0 : portNumber("options.port", first);
  return { port, host: typeof second === "string" ? second : ANY_HOST, listener: undefined, signal: undefined, onListening };
}

const ANY_HOST = "0.0.0.0";

function readOptions(options: ServerListenOptions & { path?: unknown; fd?: unknown }): Omit<ListenCall, "onListening"> {
  const { host, listener, signal } = options;
  const port: unknown = options.port;
  if (signal !== undefined && !((signal as unknown) instanceof AbortSignal))
    throw invalidType("options.signal", "an instance of AbortSignal", signal);
  if (listener !== undefined) return { port: 0, host: ANY_HOST, listener, signal };
  const isLocal = options.path !== undefined || options.fd !== undefined;
  if (isLocal && (port === undefined || port === null)) throw notTcp("a unix socket or a descriptor");
  if (!("port" in options) && !("host" in options)) throw invalidValue("options", options, 'must have the property "port"');
  if (typeof port === "boolean" || (typeof port === "object" && port !== null)) throw invalidValue("options", options);
  return { port: port === undefined || port === null ? 0 : portNumber("options.port", port), host: host ?? ANY_HOST, listener, signal };
}

function notTcp(place: string): KwikError {
  return new KwikError("NOT_SUPPORTED", `a server of kwik cannot listen at ${place}; give it a host and a port`);
}
