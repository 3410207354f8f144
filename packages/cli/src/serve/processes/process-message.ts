import type { ExitStatus } from "../../exit-status.ts";
import type { ServeFlags } from "../serve-flags.ts";
import type { ProcessLoad } from "./session-spread.ts";

/** The first message to a process: what it is to serve. */
export interface StartMessage {
  readonly kind: "start";
  readonly dir: string;
  readonly flags: ServeFlags;
  readonly tls: { readonly cert: string; readonly key: string };
}

/** The other processes that take sessions, whenever that changes. */
export interface OthersMessage {
  readonly kind: "others";
  readonly others: readonly ProcessLoad[];
}

/** What a process says when it serves. */
export interface ReadyMessage {
  readonly kind: "ready";
  /** "host:port" */
  readonly address: string;
  readonly url: string;
  readonly identity: string;
  /** PEM */
  readonly certificate: string;
}

/** What a process is told, and what it says. */
export type ToProcess = StartMessage | OthersMessage;
export type FromProcess =
  | ReadyMessage
  | { readonly kind: "load"; readonly sessions: number }
  /** It could not serve, and ends. */
  | { readonly kind: "failed"; readonly status: ExitStatus; readonly sentence: string };
