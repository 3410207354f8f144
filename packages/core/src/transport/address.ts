import { KwikError } from "../api/errors.ts";

/** Where a server listens. */
export interface ServerAddress {
  /** Name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** The one transport to use; undefined for whichever works best. */
  readonly transport?: TransportName | undefined;
  /** The relay that carries links to it; undefined for links of one's own. */
  readonly relay?: Relay | undefined;
}

/** A relay of a session. What else belongs to it is known to the transport that made it (`Transport.relaysOf`). */
export interface Relay {
  /** Its address, as in the names of paths. */
  readonly name: string;
}

/** Names of the transports, as `PathInfo.transport` and KWIK_TRANSPORT have them. */
export type TransportName = "quic" | "tcp" | "websocket" | "webtransport";

/** Port of a target that names none. */
export const DEFAULT_PORT = 4433;

const SCHEMES: Readonly<Record<string, TransportName | undefined>> = {
  kwik: undefined,
  "kwik+quic": "quic",
  "kwik+tcp": "tcp",
  "kwik+ws": "websocket",
  "kwik+webtransport": "webtransport",
};

/**
 * Reads "kwik://host:port", "host:port" or "[v6]:port"; kwik+quic://, kwik+tcp://, kwik+ws:// and kwik+webtransport:// (of
 * browsers) name the transport. Rejects anything else with INVALID_ARGUMENT.
 */
export function parseAddress(target: string | URL): ServerAddress {
  const text = String(target);
  const [, scheme, rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text) ?? [];
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.~-]+)?)\]|([^:/?#[\]\s]+))(?::(\d{1,5}))?(?:\/.*)?$/.exec(rest);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port > 65535 || (scheme !== undefined && !Object.hasOwn(SCHEMES, scheme))) {
    throw new KwikError("INVALID_ARGUMENT", `"${text}" is not a server address; write kwik://host:port`);
  }
  const transport = scheme === undefined ? undefined : SCHEMES[scheme];
  return transport === undefined ? { host, port } : { host, port, transport };
}

/** "host:port", IPv6 in brackets; with its scheme if it names a transport; with " via " and the relay if it names one. spec: RELAY-11 */
export function formatAddress(address: ServerAddress): string {
  const server = formatServer(address);
  return address.relay === undefined ? server : `${server} via ${address.relay.name}`;
}

/** The same without the relay: what names the server, whichever way leads to it. */
export function formatServer(address: ServerAddress): string {
  const { host, port, transport } = address;
  const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return transport === undefined ? place : `kwik+${transport === "websocket" ? "ws" : transport}://${place}`;
}

/** Reads the name of a transport, from an option or the environment; undefined for none. Rejects others with INVALID_ARGUMENT. */
export function parseTransportName(text: string | undefined): TransportName | undefined {
  if (text === undefined || text === "" || text === "auto") return undefined;
  if (text === "quic" || text === "tcp" || text === "websocket" || text === "webtransport") return text;
  throw new KwikError(
    "INVALID_ARGUMENT",
    `"${text.slice(0, 100)}" is no transport; there are quic, tcp and websocket, in browsers webtransport, and auto`,
  );
}
