import type { LineDirection } from "./line.ts";
import type { Side } from "./sim-stream.ts";

/**
 * One thing that an application, or the world, does. Plain data: a list of them is a test case that can be kept in a file. Numbers of
 * streams, servers and lines count what there is then, from 0, and wrap around; what cannot be done is passed over.
 */
export type Operation =
  | {
      readonly do: "open";
      readonly by: Side;
      readonly server: number;
      readonly isOneWay: boolean;
      readonly bytes: number;
      readonly priority: number;
    }
  | { readonly do: "write"; readonly stream: number; readonly side: Side; readonly bytes: number }
  | { readonly do: "finish" | "pause" | "resume"; readonly stream: number; readonly side: Side }
  | { readonly do: "reset" | "stop-reading"; readonly stream: number; readonly side: Side; readonly code: number }
  | { readonly do: "priority"; readonly stream: number; readonly side: Side; readonly priority: number }
  | { readonly do: "add-path"; readonly server: number; readonly line: number }
  | { readonly do: "remove-path"; readonly server: number; readonly path: number }
  | { readonly do: "blackhole"; readonly line: number; readonly direction: LineDirection | "both" }
  | { readonly do: "heal" | "cut"; readonly line: number }
  | { readonly do: "kill" | "restart" | "going-away"; readonly server: number }
  /** The server leaves and names another one; a restart brings it back, without its memory. */
  | { readonly do: "drain"; readonly server: number; readonly replacement: number; readonly graceMs: number }
  /** Every line is a black hole for a while. */
  | { readonly do: "outage"; readonly ms: number }
  /** A host stands still for a while and keeps its memory: the client, or the server of this number. Asleep its clock stands still too. */
  | { readonly do: "freeze"; readonly isClient: boolean; readonly server: number; readonly ms: number; readonly isAsleep: boolean }
  | { readonly do: "rate"; readonly line: number; readonly bytesPerMs: number }
  | { readonly do: "content"; readonly stream: number; readonly bytes: number; readonly isEnd: boolean }
  | { readonly do: "contribute"; readonly stream: number; readonly server: number; readonly bytes: number }
  | { readonly do: "raw"; readonly server: number; readonly path: number; readonly bytes: number }
  | { readonly do: "datagram"; readonly server: number; readonly isFromClient: boolean; readonly bytes: number; readonly isOnAll?: boolean }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "close" };
