import { checkOptions, type OptionKinds } from "@kwik/core";
import type { DialRequest, Link, ListenRequest, Transport, TransportListener } from "@kwik/core";
import { TcpListener } from "./listener.ts";
import type { TcpListenOptions } from "./listener.ts";
import { dialTcp } from "./tcp-dial.ts";
import { TlsSessions } from "./tls-sessions.ts";

export interface TcpTransportOptions extends TcpListenOptions {
  /** No TLS: anybody on the way reads and changes everything. For tests only. Default false. */
  readonly dangerouslyPlaintext?: boolean;
}

const OPTIONS: Record<keyof TcpTransportOptions, OptionKinds> = {
  maxConnections: "count",
  clientCa: "string",
  http: "function",
  dangerouslyPlaintext: "boolean",
};

/** The Link port over TCP with TLS 1.3. Throws INVALID_ARGUMENT for options that make no sense. */
export function tcpTransport(options: TcpTransportOptions = {}): Transport {
  checkOptions("tcpTransport", options, OPTIONS);
  return new TcpTransport(options);
}

class TcpTransport implements Transport {
  readonly name = "tcp";
  readonly #options: TcpTransportOptions;
  readonly #sessions = new TlsSessions();

  constructor(options: TcpTransportOptions) {
    this.#options = options;
  }

  listen(request: ListenRequest): Promise<TransportListener> {
    return TcpListener.listen(request, this.#options, this.#options.dangerouslyPlaintext === true);
  }

  dial(request: DialRequest): Promise<Link> {
    return dialTcp(request, this.#options.dangerouslyPlaintext === true, this.#sessions);
  }
}
