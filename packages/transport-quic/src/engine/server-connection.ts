import type { NativeMetrics, NativeServer } from "./binding.ts";
import type { EngineConnection } from "./connection.ts";
import { connectionCensus } from "./connection-census.ts";

/** How old the last agreement or verification may be, in milliseconds, before a handle is looked at again. */
const MAX_UNVERIFIED_MS = 2;

/**
 * The server's end of one connection. The engine names connections by small numbers and gives a number to the next client as soon as its
 * connection is gone, before this thread has heard of it: what is sent then reaches the wrong client. So unless this thread was
 * up to date a moment ago, it is asked whether it is, or else the handle is verified by its connection's handshake time, which
 * nobody shares by chance.
 */
export class ServerConnection implements EngineConnection {
  readonly #native: NativeServer;
  readonly #handle: number;
  readonly #handshakeTimeMs: number;
  #nextStreamId = 1;
  #verifiedAt: number;
  #isGone = false;

  constructor(native: NativeServer, handle: number) {
    this.#native = native;
    this.#handle = handle;
    this.#handshakeTimeMs = this.#read()?.handshakeTimeMs ?? 0;
    this.#verifiedAt = performance.now();
    if (this.#handshakeTimeMs === 0) this.#isGone = true;
  }

  /** The connection has ended: nothing may be done with its handle any more. */
  markGone(): void {
    this.#isGone = true;
  }

  openStream(): number | undefined {
    if (this.#isGone) return undefined;
    const id = this.#nextStreamId;
    this.#nextStreamId += 4;
    return id;
  }

  send(streamId: number, data: Uint8Array, fin = false): number {
    if (!this.#isOurs()) return 0;
    try {
      const outcome = this.#native.streamSend(this.#handle, streamId, data, fin);
      return outcome.status === 0 ? outcome.written : 0;
    } catch {
      return 0;
    }
  }

  resetStream(streamId: number, code: number): void {
    if (!this.#isOurs()) return;
    try {
      this.#native.streamClose(this.#handle, streamId, code);
    } catch {
      // the connection is going, and its streams with it
    }
  }

  sendDatagram(data: Uint8Array): boolean {
    if (!this.#isOurs()) return false;
    try {
      return this.#native.sendDatagram(this.#handle, data);
    } catch {
      return false;
    }
  }

  metrics(): NativeMetrics | undefined {
    if (this.#isGone) return undefined;
    const metrics = this.#read();
    return metrics !== undefined && this.#verify(metrics) ? metrics : undefined;
  }

  close(code: number, reason: string): void {
    if (!this.#isOurs()) return;
    this.#isGone = true;
    try {
      this.#native.closeSession(this.#handle, code, reason);
    } catch {
      // gone already
    }
  }

  #isOurs(): boolean {
    if (this.#isGone) return false;
    if (performance.now() - Math.max(connectionCensus.agreedAt, this.#verifiedAt) <= MAX_UNVERIFIED_MS) return true;
    if (connectionCensus.read()) return true;
    const metrics = this.#read();
    if (metrics === undefined) {
      this.#isGone = true;
      return false;
    }
    return this.#verify(metrics);
  }

  #verify(metrics: NativeMetrics): boolean {
    if (metrics.handshakeTimeMs !== this.#handshakeTimeMs) {
      this.#isGone = true;
      return false;
    }
    this.#verifiedAt = performance.now();
    return true;
  }

  #read(): NativeMetrics | undefined {
    try {
      return this.#native.getSessionMetrics(this.#handle);
    } catch {
      return undefined;
    }
  }
}
