import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { KwikError } from "@kwik/core";

/** What the engine tells, in batches. `streamId` is -1 where no stream is meant. */
export interface NativeEvent {
  readonly eventType: number;
  readonly connHandle: number;
  readonly streamId: number;
  readonly data?: Uint8Array;
  readonly fin?: boolean;
  readonly meta?: {
    readonly errorCode?: number;
    readonly errorReason?: string;
    readonly remoteAddr?: string;
    readonly remotePort?: number;
    readonly peerCertificateChain?: readonly Uint8Array[];
  };
}

/** Numbers of the engine's events; those that the adapter does not use are left out. */
export const EventType = {
  session: 1,
  stream: 2,
  data: 4,
  finished: 5,
  reset: 6,
  close: 7,
  drain: 8,
  error: 10,
  handshake: 11,
  datagram: 14,
  shutdown: 15,
  blocked: 16,
  writeReady: 18,
} as const;

export interface NativeMetrics {
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly handshakeTimeMs: number;
  readonly rttMs: number;
  readonly cwnd: number;
  readonly pmtu: number;
}

/** `status` 0: the first `written` bytes were taken. 1: nothing was, a writeReady event follows. */
export interface NativeSendOutcome {
  readonly status: number;
  readonly written: number;
}

export interface NativeAddress {
  readonly address: string;
  readonly port: number;
}

export interface NativeWorker {
  requestShutdown(): boolean;
  joinWorker(): void;
  ackEventBatch(count: number): void;
  localAddress(): NativeAddress;
}

export interface NativeClient extends NativeWorker {
  connect(socketAddress: string, serverName: string): NativeAddress;
  openStream(): number;
  streamSend(streamId: number, data: Uint8Array, fin: boolean): NativeSendOutcome;
  streamClose(streamId: number, code: number): boolean;
  close(code: number, reason: string): boolean;
  sendDatagram(data: Uint8Array): boolean;
  getSessionMetrics(): NativeMetrics;
}

export interface NativeServer extends NativeWorker {
  listen(port: number, host: string): NativeAddress;
  streamSend(connHandle: number, streamId: number, data: Uint8Array, fin: boolean): NativeSendOutcome;
  streamClose(connHandle: number, streamId: number, code: number): boolean;
  closeSession(connHandle: number, code: number, reason: string): boolean;
  sendDatagram(connHandle: number, data: Uint8Array): boolean;
  getSessionMetrics(connHandle: number): NativeMetrics;
}

export interface NativeOptions {
  readonly ca?: Uint8Array | undefined;
  readonly cert?: Uint8Array | undefined;
  readonly key?: Uint8Array | undefined;
  readonly clientAuth?: string;
  readonly rejectUnauthorized?: boolean;
  readonly alpn: readonly string[];
  readonly runtimeMode: string;
  readonly maxIdleTimeoutMs: number;
  readonly initialMaxStreamDataBidiLocal: number;
  readonly initialMaxStreamsBidi: number;
  readonly enableDatagrams: boolean;
  readonly maxConnections?: number;
  readonly disableRetry?: boolean;
}

export type NativeCallback = (error: Error | null, events: readonly NativeEvent[]) => void;

/** The engine's native binding; its JavaScript stream classes are not used (docs/decisions/0003-quic-engine.md). */
export interface QuicBinding {
  readonly NativeQuicClient: new (options: NativeOptions, callback: NativeCallback) => NativeClient;
  readonly NativeQuicServer: new (options: NativeOptions, callback: NativeCallback) => NativeServer;
  runtimeTelemetry(): { readonly rawQuicServerSessionsOpened: number };
}

let loaded: QuicBinding | undefined;

/** Loads the engine at first use, so that the package itself loads everywhere. Throws NOT_SUPPORTED where there is no binary. */
export function quicBinding(): QuicBinding {
  if (loaded !== undefined) return loaded;
  try {
    const require = createRequire(import.meta.url);
    const entry = require.resolve("@currentspace/http3");
    loaded = require(join(dirname(entry), "..", "index.js")) as QuicBinding;
    return loaded;
  } catch (cause) {
    throw new KwikError(
      "NOT_SUPPORTED",
      `QUIC is not available on this machine (${process.platform} ${process.arch}): its native library did not load; use another transport`,
      { cause },
    );
  }
}

/** Whether the engine's binary loads on this machine. */
export function isQuicAvailable(): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  try {
    quicBinding();
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
