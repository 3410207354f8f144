import type { Arrival } from "@kwik/proto";

/**
 * The port between kwik and a transport connection. A transport package implements it; nothing above knows which one it has.
 * Calls back only from the event loop, never from inside a call made on it (except `receiver` callbacks documented so).
 */
export interface Link {
  readonly capabilities: LinkCapabilities;
  readonly properties: LinkProperties;

  /**
   * Present where `capabilities.earlyData` is set, on the server side: resolves when the handshake has ended, which nobody reaches who only repeats what a
   * client once sent. Never rejects. What was delivered before may be such a repetition. spec: LINK-2
   */
  readonly confirmed?: Promise<void>;

  /**
   * Says who receives what this link brings. Called exactly once, in the turn in which the link was handed over;
   * nothing is delivered before.
   */
  attach(receiver: LinkReceiver): void;

  /**
   * Opens a bidirectional carrier. The peer learns of it with the first bytes sent.
   * Answers undefined when the link cannot open one now (limit reached, closing).
   */
  openCarrier(): Carrier | undefined;

  /** Largest datagram that fits now, in bytes; 0 if the link has none. */
  readonly maxDatagramBytes: number;

  /** Sends one datagram, or answers false (too large, queue full, closed). The bytes are copied before it returns. */
  sendDatagram(data: Uint8Array): boolean;

  /** What the transport knows of itself. May cost a few microseconds: sample at 10 Hz at most. */
  stats(): LinkStats;

  /**
   * Closes the connection at once. Bytes not yet acknowledged by the peer may be lost: kwik closes only after its own
   * acknowledgements. Idempotent. `onClose` follows, with `remote: false`.
   */
  close(code: number, reason: string): void;
}

export interface LinkReceiver {
  /** The peer opened a carrier. `carrier.receiver` MUST be set before this returns; data follows. */
  onCarrier(carrier: Carrier): void;
  onDatagram(data: Uint8Array): void;
  /** The link has ended, once; nothing comes after it. */
  onClose(info: LinkCloseInfo): void;
  /** All data of one batch of network events was delivered: a good moment to send answers. */
  onBatchEnd(): void;
}

/** A bidirectional byte stream of a link. Ordered and reliable while the link lives. */
export interface Carrier {
  /** Unique on this link. */
  readonly id: number;
  receiver: CarrierReceiver | undefined;

  /**
   * Queues the parts, in order. Never refuses: the protocol bounds what it hands over. The bytes must stay unchanged until
   * `bufferedBytes` has fallen by them; the protocol's own bytes never change.
   */
  send(parts: readonly Uint8Array[]): void;

  /** Bytes queued here and not yet accepted by the transport. */
  readonly bufferedBytes: number;

  /** Ends both directions abruptly. Idempotent. */
  reset(code: number): void;
}

export interface CarrierReceiver {
  /** `onData` holds what it keeps views of in `arrival`. Without, a link gives none. */
  readonly takesArrivals?: boolean;
  /**
   * Bytes in order. The receiver may keep the view; the transport never writes into it again. `arrival` is the memory that the view lies in, where
   * the link shares it between several: it becomes empty once nobody holds it any more.
   */
  onData(data: Uint8Array, arrival?: Arrival): void;
  /** The peer ended or reset its direction, or the carrier broke. */
  onEnd(): void;
}

export interface LinkCapabilities {
  /** The link has independent streams of its own; without them carriers share one pipe. */
  readonly streams: boolean;
  readonly datagrams: boolean;
  /** Encrypted and integrity-protected; where false, packets carry checksums. */
  readonly encrypted: boolean;
  /** Can send data in the first flight of a resumed connection. */
  readonly earlyData: boolean;
  /** What `onData` brings lies in buffers that nobody else refers to, so that the receiver may empty (detach) them. */
  readonly ownedBuffers: boolean;
}

export interface LinkProperties {
  /** Name of the transport, "quic" for instance. */
  readonly transport: string;
  /** "host:port" of the other end, as far as it is known. */
  readonly remoteAddress: string;
  readonly localAddress: string | undefined;
  /**
   * "sha256:<hex of SPKI>" of the server, if the transport's handshake itself proved it; undefined on the server side and
   * where the server was verified by host name only.
   */
  readonly provenIdentity: string | undefined;
  /** SHA-256 fingerprint ("sha256:<hex of SPKI>") of the client's certificate, on the server side, if it gave one. */
  readonly clientIdentity: string | undefined;
}

export interface LinkCloseInfo {
  readonly code: number;
  readonly reason: string;
  readonly remote: boolean;
}

export interface LinkStats {
  /** Smoothed round-trip time, in milliseconds. */
  readonly rttMs: number | undefined;
  readonly congestionWindowBytes: number | undefined;
  readonly maxPayloadBytes: number | undefined;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes queued in the adapter, over all carriers. */
  readonly bufferedBytes: number;
}
