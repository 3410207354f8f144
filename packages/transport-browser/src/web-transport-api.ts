/**
 * What is used here of the browsers' WebTransport, as its specification has it. Written down because the libraries of the compiler know it only
 * together with the whole DOM, which neither a worker nor the tests have.
 */
export interface WebTransportSession {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<{ readonly closeCode?: number; readonly reason?: string }>;
  readonly datagrams: WebTransportDatagrams;
  readonly incomingBidirectionalStreams: ReadableStream<WebTransportStream>;
  createBidirectionalStream(): Promise<WebTransportStream>;
  close(end: { readonly closeCode: number; readonly reason: string }): void;
}

export interface WebTransportStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

export interface WebTransportDatagrams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** In bytes. */
  readonly maxDatagramSize: number;
  /** Datagrams that wait to be read before older ones are dropped. */
  incomingHighWaterMark: number;
}

export type WebTransportConstructor = new (
  url: string,
  options: {
    readonly serverCertificateHashes?: undefined | readonly { readonly algorithm: "sha-256"; readonly value: Uint8Array }[];
    readonly congestionControl?: "default" | "throughput" | "low-latency";
  },
) => WebTransportSession;

/** The browser's own, if it has one here: pages that did not come over HTTPS have none. */
export function webTransportOfBrowser(): WebTransportConstructor | undefined {
  return (globalThis as { readonly WebTransport?: WebTransportConstructor }).WebTransport;
}

/** Whether an error of a stream says that the whole session is over. */
export function isSessionOver(error: unknown): boolean {
  return (error as { readonly source?: unknown } | null | undefined)?.source !== "stream";
}
