import http from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import type { ConnectOptions } from "../net/connect-arguments.ts";
import type { KwikNet } from "../net/net-over.ts";

/** Over which session requests go; the rest of a connection is in the URL of the request. */
export type HttpRoute = Pick<ConnectOptions, "server" | "gateway" | "dial">;

/** What of a request's options concerns its connection. */
export interface RequestPlace {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where the connection for a request leads: to the server of the route, through its gateway, or to the kwik server with the host and port of the URL. */
export function connectOptionsOf(route: HttpRoute, { host, port, timeout, signal }: RequestPlace): ConnectOptions {
  const place = route.server === undefined ? { host: host ?? "localhost", port: port ?? undefined } : {};
  return { ...route, ...place, ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }) };
}

/** An `http.Agent` whose connections are sockets of kwik. Encryption is the session's. */
export class KwikAgent extends http.Agent {
  readonly #connect: KwikNet["connect"];
  readonly #route: HttpRoute;

  constructor(connect: KwikNet["connect"], { server, gateway, dial, ...options }: http.AgentOptions & HttpRoute = {}) {
    super(options);
    this.#connect = connect;
    this.#route = { server, gateway, dial };
  }

  override createConnection(options: http.ClientRequestArgs): Duplex {
    return this.#connect(connectOptionsOf(this.#route, options));
  }
}

/** An `https.Agent` whose connections are TLS inside sockets of kwik: encrypted and verified up to the web server itself, by its own certificate. */
export class KwikHttpsAgent extends https.Agent {
  readonly #connect: KwikNet["connect"];
  readonly #route: HttpRoute;

  constructor(connect: KwikNet["connect"], { server, gateway, dial, ...options }: https.AgentOptions & HttpRoute = {}) {
    super(options);
    this.#connect = connect;
    this.#route = { server, gateway, dial };
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const socket = this.#connect(connectOptionsOf(this.#route, options));
    // The rest, tickets of earlier connections among it, is Node's.
    return super.createConnection({ ...options, socket } as https.RequestOptions, callback);
  }
}
