import type { Measurement } from "../measurement.ts";
import { onePipe } from "./one-pipe.ts";

/** One path over TCP with TLS, against a TLS connection of Node's without kwik. */
export function tcp(): Promise<Measurement[]> {
  return onePipe("tcp", "TLS");
}
