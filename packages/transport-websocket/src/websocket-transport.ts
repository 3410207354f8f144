import {
  checkedWebPath,
  checkOptions,
  type DialRequest,
  dialPlan,
  type Link,
  type ListenRequest,
  type OptionKinds,
  type Transport,
  type TransportListener,
} from "@kwik/core";
import { raceAddresses, resolveServer } from "@kwik/resolve";
import { clientContext, plaintextUntrusted } from "@kwik/tls";
import { connectWebSocket, type ConnectRequest } from "./connect.ts";
import { WebSocketListener, type WebSocketListenOptions } from "./websocket-listener.ts";

export interface WebSocketTransportOptions extends WebSocketListenOptions {
  /** Where `dial` asks. Default "/kwik". Where a listener answers is said by `web` of its request. */
  readonly path?: string;
  /**
   * Masks what this client sends with random keys, as RFC 6455 asks of clients whose bytes a web page chooses. Over TLS that protects nobody, and takes more
   * processor time than all else together: default false, without TLS true.
   */
  readonly masksFrames?: boolean;
  /** A link that was dialled was closed because its receiver threw. For logs. */
  onNotice?(message: string): void;
}

const OPTIONS: Record<keyof WebSocketTransportOptions, OptionKinds> = {
  path: "string",
  masksFrames: "boolean",
  maxConnections: "count",
  handshakeTimeoutMs: "count",
  clientCa: "string",
  dangerouslyPlaintext: "boolean",
  onNotice: "function",
};

/** The Link port over WebSocket and TLS 1.3, for places where UDP does not pass. Throws INVALID_ARGUMENT for options that make no sense. */
export function webSocketTransport(options: WebSocketTransportOptions = {}): Transport {
  checkOptions("webSocketTransport", options, OPTIONS);
  return new WebSocketTransport(options);
}

class WebSocketTransport implements Transport {
  readonly name = "websocket";
  readonly #options: WebSocketTransportOptions;
  readonly #path: string;

  constructor(options: WebSocketTransportOptions) {
    this.#options = options;
    this.#path = checkedWebPath(options.path);
  }

  listen(request: ListenRequest): Promise<TransportListener> {
    return WebSocketListener.listen(request, this.#options);
  }

  /** Follows the table of docs/decisions/0004-pinning-and-private-names.md, on one connection. */
  async dial(request: DialRequest): Promise<Link> {
    const deadline = performance.now() + request.timeoutMs;
    const tls = this.#tlsOf(request);
    const addresses = await resolveServer(request);
    return raceAddresses(addresses, request.signal, (address, signal) =>
      connectWebSocket({
        address,
        target: request.address,
        path: this.#path,
        masksFrames: tls === undefined || this.#options.masksFrames === true,
        tls,
        timeoutMs: Math.max(1, deadline - performance.now()),
        signal,
        onNotice: (message) => this.#options.onNotice?.(message),
      }),
    );
  }

  #tlsOf({ address, trust, identity, clientCertificate }: DialRequest): ConnectRequest["tls"] {
    if (this.#options.dangerouslyPlaintext !== true) {
      return { plan: dialPlan(address, trust, identity), context: clientContext(trust.ca, clientCertificate) };
    }
    if (trust.dangerouslyTrustAnyServer) return undefined;
    throw plaintextUntrusted();
  }
}
