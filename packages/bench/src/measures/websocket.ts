import type { Measurement } from "../measurement.ts";
import { onePipe } from "./one-pipe.ts";

/** One path over WebSocket with TLS, against a connection of `ws` without kwik. */
export function websocket(): Promise<Measurement[]> {
  return onePipe("websocket", "ws");
}
