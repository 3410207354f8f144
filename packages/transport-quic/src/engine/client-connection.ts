import type { NativeClient, NativeMetrics } from "./binding.ts";
import type { EngineConnection } from "./connection.ts";

/** How long the engine's thread may take to stop before it is joined regardless, in milliseconds. */
const STOP_TIMEOUT_MS = 5_000;

/** The client's end: one native object, one thread and one socket for one connection. */
export class ClientConnection implements EngineConnection {
  readonly #native: NativeClient;
  #isStopping = false;
  #isJoined = false;
  #stopTimer: NodeJS.Timeout | undefined;

  constructor(native: NativeClient) {
    this.#native = native;
  }

  openStream(): number | undefined {
    try {
      return this.#native.openStream();
    } catch {
      return undefined; // stream limit, or the connection is going
    }
  }

  send(streamId: number, data: Uint8Array, fin = false): number {
    try {
      const outcome = this.#native.streamSend(streamId, data, fin);
      return outcome.status === 0 ? outcome.written : 0;
    } catch {
      return 0;
    }
  }

  resetStream(streamId: number, code: number): void {
    try {
      this.#native.streamClose(streamId, code);
    } catch {
      // the connection is going, and its streams with it
    }
  }

  sendDatagram(data: Uint8Array): boolean {
    try {
      return this.#native.sendDatagram(data);
    } catch {
      return false;
    }
  }

  metrics(): NativeMetrics | undefined {
    try {
      return this.#native.getSessionMetrics();
    } catch {
      return undefined;
    }
  }

  close(code: number, reason: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    try {
      this.#native.close(code, reason);
      this.#native.requestShutdown();
    } catch {
      // already closed by the peer
    }
    this.#stopTimer = setTimeout(() => this.onShutdown(), STOP_TIMEOUT_MS);
  }

  /** The thread has said its last word; joining it lets the process end. */
  onShutdown(): void {
    this.#isStopping = true;
    clearTimeout(this.#stopTimer);
    if (this.#isJoined) return;
    this.#isJoined = true;
    setImmediate(() => this.#native.joinWorker());
  }
}
