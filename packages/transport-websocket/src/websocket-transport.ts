import { isIP } from "node:net";
import {
  type DialPlan,
  type DialRequest,
  dialPlan,
  formatAddress,
  KwikError,
  type Link,
  type ListenRequest,
  type ServerAddress,
  type Transport,
  type TransportListener,
} from "@kwik/core";
import { raceAddresses, resolveHost } from "@kwik/resolve";
import { checkAuthorities } from "./authorities.ts";
import { connectWebSocket } from "./connect.ts";
import { checkedPath } from "./request-path.ts";
import { WebSocketListener, type WebSocketListenOptions } from "./websocket-listener.ts";

export interface WebSocketTransportOptions extends WebSocketListenOptions {
  /** A link that was dialled was closed because its receiver threw. For logs. */
  onNotice?(message: string): void;
}

/**
 * The Link port over WebSocket and TLS 1.3, for places where UDP does not pass. Throws INVALID_ARGUMENT if the path is none.
 */
export function webSocketTransport(options: WebSocketTransportOptions = {}): Transport {
  return new WebSocketTransport(options);
}

class WebSocketTransport implements Transport {
  readonly name = "websocket";
  readonly #options: WebSocketTransportOptions;
  readonly #path: string;

  constructor(options: WebSocketTransportOptions) {
    this.#options = options;
    this.#path = checkedPath(options.path);
  }

  listen(request: ListenRequest): Promise<TransportListener> {
    return WebSocketListener.listen(request, { ...this.#options, path: this.#path });
  }

  /** Follows the table of docs/decisions/0004-pinning-and-private-names.md, on one connection. */
  async dial(request: DialRequest): Promise<Link> {
    const deadline = performance.now() + request.timeoutMs;
    const plan = this.#plan(request);
    const addresses = await resolve(request);
    return raceAddresses(addresses, request.signal, (address, signal) =>
      connectWebSocket({
        address,
        target: request.address,
        path: this.#path,
        plan,
        clientCertificate: request.clientCertificate,
        timeoutMs: Math.max(1, deadline - performance.now()),
        signal,
        onNotice: (message) => this.#options.onNotice?.(message),
      }),
    );
  }

  #plan({ address, trust, identity }: DialRequest): DialPlan | undefined {
    const plan = dialPlan(address, trust, identity);
    if (this.#options.dangerouslyPlaintext !== true) {
      checkAuthorities(trust.ca);
      return plan;
    }
    if (plan.kind === "unverified") return undefined;
    throw new KwikError("NOT_TRUSTED", "without TLS no server can be verified; plaintext needs dangerouslyTrustAnyServer too");
  }
}

async function resolve(request: DialRequest): Promise<readonly ServerAddress[]> {
  const { host, port } = request.address;
  const ips = await resolveHost(host);
  if (isIP(host) === 0) {
    const refusal = request.checkResolved?.(ips);
    if (refusal !== undefined) throw new KwikError("ADDRESS_REFUSED", `${formatAddress(request.address)} is refused: ${refusal}`);
  }
  return ips.map((ip) => ({ host: ip, port }));
}
