import type { MemberId, PathId, StreamDirection } from "../base/ids.ts";
import type { Path } from "../path/path.ts";
import type { Replacement } from "./peer.ts";
import type { SentFrame } from "./sent-frame.ts";

/** A path as the session knows it, of whichever member. */
export type SessionPath = Path<SentFrame>;

/** What the owner of the state machine has to know or do. Streams that changed are polled apart: `pollChangedStream`. */
export type SessionEvent =
  /** A path is being made (client), or was taken in (server). */
  | { readonly type: "path-added" | "path-active"; readonly path: SessionPath }
  | { readonly type: "path-degraded" | "path-recovered" | "path-dead" | "path-closed"; readonly path: SessionPath; readonly reason: string }
  /** A path did not come to be: refused, or its handshake timed out. */
  | { readonly type: "path-failed"; readonly path: SessionPath; readonly code: number; readonly reason: string }
  /** Client: the first server named the port of another process that takes the session; `path-failed` follows. */
  | { readonly type: "redirected"; readonly path: SessionPath; readonly port: number }
  /** Server: the client reported another state of a path. */
  | { readonly type: "remote-path"; readonly status: RemotePathStatus }
  /** The session id is known and the primary has accepted (client); once. */
  | { readonly type: "established" }
  | { readonly type: "suspended" | "resumed"; readonly reason: string }
  /** Client: a server asks for a path; answer with `openPath` or `refusePath`. */
  | {
      readonly type: "path-requested";
      readonly fromMember: MemberId;
      readonly requestId: number;
      readonly address: string;
      readonly identity: string;
      readonly priority: number;
    }
  /** Client: the answer to `requestTicket`. An empty ticket with a code is a refusal. */
  | {
      readonly type: "ticket";
      readonly pathId: PathId;
      readonly ticket: string;
      readonly fromMember: MemberId;
      readonly code: number;
      readonly reason: string;
    }
  /** Server: the client wants a ticket; answer with `answerTicket`. */
  | {
      readonly type: "ticket-wanted";
      readonly requestId: number;
      readonly pathId: PathId;
      readonly memberId: MemberId;
      readonly address: string;
      readonly identity: string;
    }
  /** Server: the end of a `requestPath` or `removePath`. */
  | {
      readonly type: "path-request-done";
      readonly requestId: number;
      readonly code: number;
      readonly reason: string;
      readonly pathId: PathId;
    }
  /** Client: a server wants this path removed; it is being closed. */
  | { readonly type: "raw-request"; readonly requestId: number; readonly fromPathId: PathId; readonly data: Uint8Array }
  | { readonly type: "raw-reply"; readonly requestId: number; readonly code: number; readonly reason: string; readonly data: Uint8Array }
  /** The peer allows more streams. */
  | { readonly type: "streams-allowed"; readonly direction: StreamDirection; readonly member: MemberId }
  | { readonly type: "datagram"; readonly data: Uint8Array }
  /** A source was taken out of a content, or set aside for a while; on a server as the client reports it. */
  | {
      readonly type: "source-isolated" | "source-slow";
      readonly member: MemberId;
      readonly pathId: PathId;
      readonly contentId: string;
      readonly code: number;
      readonly reason: string;
      /** What it has instead, with CONTENT_VERSION; else empty. */
      readonly version: string;
    }
  /** Server: bytes of a content are needed; answer once with `ContentServer.handleRead` or `handleReadFailed`. */
  | {
      readonly type: "content-read";
      readonly requestId: number;
      readonly contentId: string;
      readonly version: string;
      readonly contentLength: number;
      readonly offset: number;
      readonly length: number;
    }
  /** Server: the client has all of an offered content, or gave it up: `stopCode` is the reader's, if that one stopped. */
  | {
      readonly type: "content-done";
      readonly streamId: number;
      readonly offerId: number;
      readonly code: number;
      readonly reason: string;
      readonly stopCode: number | undefined;
    }
  /** Client: check the SHA-256 and answer with `handleVerified`. */
  | {
      readonly type: "verify-block";
      readonly fetchId: number;
      readonly block: number;
      readonly attempt: number;
      readonly parts: readonly Uint8Array[];
      readonly expected: Uint8Array;
    }
  | { readonly type: "verify-root"; readonly fetchId: number; readonly hashes: readonly Uint8Array[]; readonly expected: Uint8Array }
  /** A server, or the client, is gone for good; its streams have ended. */
  | { readonly type: "member-lost"; readonly member: MemberId; readonly reason: string }
  | {
      readonly type: "going-away";
      readonly member: MemberId;
      readonly reason: string;
      /** What it gives to what lives there, in milliseconds. */
      readonly graceMs: number;
      /** Client: servers to be dialled instead, by the rules of `path-requested`, with its ticket. */
      readonly replacements: readonly Replacement[];
    }
  /** Another server is primary now, by this client's choice or as the client says. */
  | { readonly type: "primary-changed"; readonly member: MemberId; readonly reason: string }
  /** The session has ended; nothing follows but `close` transmits. */
  | { readonly type: "ended"; readonly code: number; readonly reason: string; readonly remote: boolean; readonly application: boolean };

/** A row of PathStatus, as a server sees paths that end elsewhere. */
export interface RemotePathStatus {
  readonly pathId: PathId;
  readonly memberId: MemberId;
  readonly address: string;
  readonly transport: string;
  readonly identity: string;
  readonly state: string;
  readonly reason: string;
  readonly isVouched: boolean;
  readonly isPrimary: boolean;
  readonly rttMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}
