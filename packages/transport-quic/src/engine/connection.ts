import type { NativeMetrics } from "./binding.ts";

/** The engine's calls for one connection. None of them throws: what fails on a connection that is going is as good as done. */
export interface EngineConnection {
  /** A new bidirectional stream, or undefined when the limit is reached or the connection is going. */
  openStream(): number | undefined;
  /**
   * How many bytes were taken, from the front. Fewer than given means: wait for write readiness. The bytes are copied. With `fin` the stream
   * ends behind them, if all were taken; kwik's own streams never do.
   */
  send(streamId: number, data: Uint8Array, fin?: boolean): number;
  /** Resets both directions and gives back what the stream holds of the engine's write budget. */
  resetStream(streamId: number, code: number): void;
  sendDatagram(data: Uint8Array): boolean;
  metrics(): NativeMetrics | undefined;
  close(code: number, reason: string): void;
}
