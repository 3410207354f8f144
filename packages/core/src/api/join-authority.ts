/**
 * Makes and checks join tickets: signed permissions to attach one path to one session at one server. The protocol carries them as text
 * and does not look inside. spec: PATH-8
 */
export interface JoinAuthority {
  /**
   * A ticket for the server with `identity`, good once and for a short time. Rejects with NOT_SUPPORTED where this server has no
   * signing key, INVALID_ARGUMENT for a malformed request.
   */
  mint(request: TicketSubject & { /** "sha256:<hex of SPKI>" of the server to be joined. */ readonly identity: string }): Promise<string>;
  /** Resolves if `ticket` permits exactly this, here, now, for the first time; else rejects with TICKET_REFUSED, the reason in its text. */
  verify(ticket: string, expected: TicketSubject): Promise<void>;
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
