import type { SpliceEnd } from "@kwik/splice";

/** How a local client came in. */
export type ListenerKind = "forward" | "socks5" | "http";

/** What happens at a proxy, for logs. */
export type ProxyEvent =
  | { readonly type: "session"; readonly session: string; readonly gateways: readonly string[] }
  | { readonly type: "session-lost"; readonly reason: string; readonly retryMs: number }
  /** The session has no path, and waits for one; it has one again. */
  | { readonly type: "suspended" | "resumed"; readonly reason: string }
  | { readonly type: "refused"; readonly listener: ListenerKind; readonly target: string; readonly code: string; readonly reason: string }
  | {
      readonly type: "closed";
      readonly listener: ListenerKind;
      readonly target: string;
      readonly seconds: number;
      /** From the local client to the target. */
      readonly sentBytes: number;
      readonly receivedBytes: number;
      readonly end: SpliceEnd;
    };

/** Numbers of a proxy since it began, and what is open now. */
export interface ProxyStats {
  readonly connections: number;
  readonly sessions: number;
  readonly isConnected: boolean;
  /** How often the sessions were without any path. */
  readonly suspensions: number;
  /** Times that a gateway was no longer asked for a response that several have, by the code of the reason; TIMEOUT is for a while. */
  readonly leftOutTotal: Readonly<Record<string, number>>;
  readonly closedTotal: number;
  /** By the code of the failure: a name of TunnelStatus, "no-gateway", "auth", or "client-gone". */
  readonly refusedTotal: Readonly<Record<string, number>>;
  /** Of ended connections. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}
