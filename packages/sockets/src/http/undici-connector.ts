import tls from "node:tls";
import type { Duplex } from "node:stream";
import type { KwikNet } from "../net/net-over.ts";
import { connectOptionsOf, type HttpRoute } from "./agents.ts";

/** What undici asks for. */
export interface UndiciTarget {
  readonly hostname: string;
  readonly protocol: string;
  /** Empty for the protocol's own. */
  readonly port: string;
  readonly servername?: string | null;
}

export type UndiciCallback = (...args: [error: null, socket: Duplex] | [error: Error, socket: null]) => void;

/** For the option `connect` of undici's Client, Pool and Agent. */
export type UndiciConnector = (target: UndiciTarget, callback: UndiciCallback) => void;

export interface UndiciOptions extends HttpRoute {
  /** For URLs of https: TLS inside the stream, as `tls.connect`. */
  tls?: tls.ConnectionOptions;
}

/** Connections for undici, and so for `fetch`; https is TLS inside the stream. Calls back in a later turn, once: undici wants it so. */
export function undiciConnectorOver(connect: KwikNet["connect"], { tls: tlsOptions, ...route }: UndiciOptions = {}): UndiciConnector {
  return (target, callback) => {
    const isSecure = target.protocol === "https:";
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = target.port === "" ? (isSecure ? 443 : 80) : target.port;
    const socket = connect(connectOptionsOf(route, { host, port }));
    const servername = target.servername ?? host;
    const made = isSecure ? tls.connect({ ALPNProtocols: ["http/1.1"], servername, host, ...tlsOptions, socket }) : socket;
    const isConnected = isSecure ? "secureConnect" : "connect";
    const fail = (error: Error): void => {
      made.removeListener(isConnected, succeed);
      callback(error, null);
    };
    const succeed = (): void => {
      made.removeListener("error", fail);
      callback(null, made);
    };
    made.once(isConnected, succeed).once("error", fail);
  };
}
