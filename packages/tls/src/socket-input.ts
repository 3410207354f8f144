import type { Arrival } from "@kwik/core";

/** Who takes what a socket brings. */
export interface InputSink {
  /** Something came, and is gathered: `flush` will be wanted when the event loop has taken in what is there. */
  arrived(): void;
  /** The next bytes. `arrival` is their memory, if that can be given back; it is held until this returns. */
  take(data: Uint8Array, arrival: Arrival | undefined): void;
}

/** Gathers the pieces that a socket brings, a TLS record each, into larger ones: what a piece costs above is a multiple of what its bytes do. */
export interface SocketInput {
  /** Begins to read, from the event loop. */
  start(sink: InputSink): void;
  /** Hands on what was gathered. */
  flush(): void;
}
