import { ErrorCode } from "@kwik/core";
import type { NativeMetrics, NativeServer } from "./binding.ts";
import type { EngineConnection } from "./connection.ts";
import { connectionCensus } from "./connection-census.ts";

/** How old the last agreement or verification may be, in milliseconds, before a handle is looked at again. */
const MAX_UNVERIFIED_MS = 2;

/**
 * The server's end of one connection. The engine names connections by small numbers and gives a number to the next client as soon as its
 * connection is gone, before this thread has heard of it: what is sent then reaches the wrong client. So unless this thread was
 * up to date a moment ago, it is asked whether it is, or else the handle is verified by its connection's handshake time, which
 * nobody shares by chance. That time is asked of the engine's thread, which takes milliseconds while it is busy, so only at the client's first word: those of
 * a flood come and go without one.
 */
export class ServerConnection implements EngineConnection {
  readonly #native: NativeServer;
  readonly #handle: number;
  /** Undefined until the client's first word. */
  #handshakeTimeMs: number | undefined;
  #nextStreamId = 1;
  #verifiedAt = Number.NEGATIVE_INFINITY;
  #isGone = false;

  constructor(native: NativeServer, handle: number) {
    this.#native = native;
    this.#handle = handle;
  }

  /**
   * The client's first word is being heard: whoever has the handle now is whom this connection is about from now on. Until then it can only be closed. False
   * if it is gone, or the engine could not say whose the handle is.
   */
  identify(): boolean {
    if (this.#isGone || this.#handshakeTimeMs !== undefined) return !this.#isGone;
    const metrics = this.#read();
    if (metrics !== undefined) return this.#verify(metrics);
    // Left alone it would stay in the engine, served by nobody, for as long as its client likes.
    this.close(ErrorCode.INTERNAL_ERROR, "the engine does not know the connection");
    return false;
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
    if (this.#isGone || this.#handshakeTimeMs === undefined) return undefined;
    const metrics = this.#read();
    return metrics !== undefined && this.#verify(metrics) ? metrics : undefined;
  }

  close(code: number, reason: string): void {
    // One that never said a word may be mistaken for the next that has not: both are strangers.
    if (this.#isGone || (this.#handshakeTimeMs !== undefined && !this.#isOurs())) return;
    this.#isGone = true;
    try {
      this.#native.closeSession(this.#handle, code, reason);
    } catch {
      // gone already
    }
  }

  #isOurs(): boolean {
    if (this.#isGone) return false;
    if (this.#handshakeTimeMs === undefined) return false;
    if (performance.now() - Math.max(connectionCensus.agreedAt, this.#verifiedAt) <= MAX_UNVERIFIED_MS) return true;
    return connectionCensus.read() || this.#isVerified();
  }

  #isVerified(): boolean {
    const metrics = this.#read();
    if (metrics === undefined) {
      this.#isGone = true;
      return false;
    }
    return this.#verify(metrics);
  }

  #verify(metrics: NativeMetrics): boolean {
    this.#handshakeTimeMs ??= metrics.handshakeTimeMs;
    if (metrics.handshakeTimeMs === 0 || metrics.handshakeTimeMs !== this.#handshakeTimeMs) {
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
