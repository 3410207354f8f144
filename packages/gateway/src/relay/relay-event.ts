import type { SpliceEnd } from "@kwik/splice";
import type { TunnelRefusal } from "@kwik/tunnel";

/** What happens at a relay, for logs. */
export type RelayEvent =
  | { readonly type: "link-opened"; readonly client: string; readonly home: string; readonly address: string; readonly connectMs: number }
  | {
      readonly type: "link-refused";
      readonly client: string;
      readonly home: string;
      readonly refusal: TunnelRefusal;
      readonly reason: string;
    }
  | {
      readonly type: "link-closed";
      readonly client: string;
      readonly home: string;
      readonly seconds: number;
      /** From the client to the home. */
      readonly sentBytes: number;
      readonly receivedBytes: number;
      readonly end: SpliceEnd;
    };

/** Numbers of a relay since it began, and what is open now. */
export interface RelayStats {
  readonly links: number;
  readonly openedTotal: number;
  readonly refusedTotal: Readonly<Partial<Record<TunnelRefusal, number>>>;
  /** From clients to homes, so far. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The same of one client. */
export interface RelayClientStats {
  readonly client: string;
  readonly links: number;
  readonly openedTotal: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}
