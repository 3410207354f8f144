import type { TicketFlaw } from "./errors.ts";

/**
 * Why a listener did not take a client, for counts and logs:
 *
 * - `ticket-…`: the join ticket, by its flaw;
 * - `proof`: the join was not signed with the session's key; `credentials`: `authenticate` said no; `revoked`: the client's certificate was;
 * - `handshake-rate`, `path-rate`, `connections`, `sessions`, `waiting`, `failed-checks`, `held-bytes`: a limit (docs/limits.md);
 * - `handshake`: it did not come about (no TLS, no kwik, a client certificate that does not verify, silence); `origin`: a page that may not connect;
 * - `redirected`: sent on to another process, which is no refusal and counted in `ListenerStats.redirectedSessions`;
 * - `no-session`: asked for one that is not known here; `path`: asked for one that cannot be; `version`, `protocol`: what was said makes no sense here;
 * - `timeout`: said nothing, or was not decided about in time; `shutting-down`; `internal`.
 */
export type RefusalReason =
  | `ticket-${TicketFlaw}`
  | "proof"
  | "credentials"
  | "revoked"
  | LimitName
  | "handshake"
  | "origin"
  | "redirected"
  | "no-session"
  | "path"
  | "version"
  | "protocol"
  | "timeout"
  | "shutting-down"
  | "internal";

/** A limit of a listener that a client met. */
export type LimitName = "handshake-rate" | "path-rate" | "connections" | "sessions" | "waiting" | "failed-checks" | "held-bytes";
