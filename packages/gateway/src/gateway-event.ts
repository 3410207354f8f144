import type { SpliceEnd } from "@kwik/splice";
import type { TunnelRefusal } from "@kwik/tunnel";
import type { OriginEvent } from "./origin/origin-event.ts";

/** What happens at a gateway, for logs. */
export type GatewayEvent =
  | OriginEvent
  | { readonly type: "connected"; readonly client: string; readonly target: string; readonly address: string; readonly connectMs: number }
  | { readonly type: "refused"; readonly client: string; readonly target: string; readonly refusal: TunnelRefusal; readonly reason: string }
  | {
      readonly type: "closed";
      readonly client: string;
      readonly target: string;
      readonly seconds: number;
      /** From the client to the target. */
      readonly sentBytes: number;
      readonly receivedBytes: number;
      readonly end: SpliceEnd;
    }
  | { readonly type: "target-up" | "target-down"; readonly target: string; readonly reason: string };

/** Numbers of a gateway since it began, and what is open now. */
export interface GatewayStats {
  readonly sessions: number;
  readonly connections: number;
  readonly associations: number;
  readonly connectedTotal: number;
  readonly refusedTotal: Readonly<Partial<Record<TunnelRefusal, number>>>;
  /** Of ended connections and of all associations: from clients to targets. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly droppedDatagrams: number;
}
