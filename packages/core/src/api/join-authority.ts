import type { ClusterOptions } from "./options.ts";

/**
 * Makes and checks join tickets: signed permissions to attach one path to one session at one server. The protocol carries them as text
 * and does not look inside. spec: PATH-8
 */
export interface JoinAuthority {
  /**
   * A ticket for the server with `identity`, good once and for a short time. Rejects with NOT_SUPPORTED where this server has no
   * signing key, TICKET_REFUSED for a server that was revoked, INVALID_ARGUMENT for a malformed request.
   */
  mint(request: TicketRequest): Promise<string>;
  /** Resolves if `ticket` permits exactly this, here, now, for the first time; else rejects with TicketError, the reason in its text. */
  verify(ticket: string, expected: TicketSubject): Promise<TicketHolder>;
  /** Whether the holder of a key ("sha256:<hex of SPKI>") was revoked. */
  isRevoked(identity: string): boolean;
  /**
   * Takes the keys and the list of revoked ones of another state of the cluster; used tickets stay used. Rejects with INVALID_ARGUMENT or NOT_TRUSTED, also
   * for a list that is older than the one in use, and then nothing has changed.
   */
  update(cluster: ClusterOptions): Promise<void>;
}

export interface TicketRequest extends TicketSubject {
  /** "sha256:<hex of SPKI>" of the server to be joined. */
  readonly identity: string;
  /** Who the client is, for the server to be joined; undefined if it is nobody in particular. */
  readonly clientIdentity: string | undefined;
  /** "sha256:<hex of SPKI>" of the certificate that the client showed, if any, whatever it is called: so that it can be revoked at the server to be joined too. */
  readonly certificateIdentity?: string | undefined;
}

/** What a ticket says beside what it permits. */
export interface TicketHolder {
  /** Who the client is, as the server that wanted the path says. */
  readonly clientIdentity: string | undefined;
  /** "sha256:<hex of SPKI>" of the certificate that the client showed to that server, if any. */
  readonly certificateIdentity?: string | undefined;
}

/** What a ticket is for. */
export interface TicketSubject {
  /** 32 hex digits. */
  readonly sessionId: string;
  readonly pathId: number;
  /** The number that the joined server will have in the session. */
  readonly memberId: number;
  /** Public session key of the client (SPKI, DER): only its holder can use the ticket. */
  readonly clientKey: Uint8Array;
}
