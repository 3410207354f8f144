import type { AgentOptions } from "node:http";
import type { AgentOptions as HttpsAgentOptions } from "node:https";
import { type HttpRoute, KwikAgent, KwikHttpsAgent, type UndiciConnector, undiciConnectorOver, type UndiciOptions } from "@kwik/sockets";
import { connect } from "./net.ts";

/** An `http.Agent` whose connections are sockets of kwik, which share sessions with those of kwik/net. */
export class Agent extends KwikAgent {
  constructor(options?: AgentOptions & HttpRoute) {
    super(connect, options);
  }
}

/** An `https.Agent`: TLS to the web server itself, inside sockets of kwik. */
export class HttpsAgent extends KwikHttpsAgent {
  constructor(options?: HttpsAgentOptions & HttpRoute) {
    super(connect, options);
  }
}

/** The option `connect` for a Client, Pool or Agent of undici, and with that for `fetch`. */
export function undiciConnector(options?: UndiciOptions): UndiciConnector {
  return undiciConnectorOver(connect, options);
}

export type { HttpRoute, UndiciCallback, UndiciConnector, UndiciOptions, UndiciTarget } from "@kwik/sockets";
