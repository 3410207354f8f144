import { ErrorCode, type SessionEvent } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { JoinAuthority, TicketHolder } from "../api/join-authority.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { sessionIdText } from "../session/session-id.ts";

/** Tickets that are being signed for one client, at most. */
const MAX_UNDER_WAY = 32;

/** Join tickets that a client asks a server for. */
export class TicketMinting {
  readonly #driver: SessionDriver;
  readonly #authority: JoinAuthority | undefined;
  readonly #holder: TicketHolder;
  #underWay = 0;

  constructor(driver: SessionDriver, authority: JoinAuthority | undefined, holder: TicketHolder) {
    this.#driver = driver;
    this.#authority = authority;
    this.#holder = holder;
  }

  /** Signs the ticket, or tells the client why there is none. */
  async answer({ requestId, pathId, memberId, identity }: Extract<SessionEvent, { type: "ticket-wanted" }>): Promise<void> {
    const { server, state } = this.#driver.session;
    if (server === undefined) throw new Error("not a server's session");
    if (this.#underWay >= MAX_UNDER_WAY) {
      server.paths.answerTicket(requestId, "", ErrorCode.LIMIT_REACHED, "too many tickets are being signed");
      return;
    }
    this.#underWay += 1;
    let ticket = "";
    let code: ErrorCode = ErrorCode.NO_ERROR;
    let reason = "";
    try {
      if (this.#authority === undefined) throw new KwikError("NOT_SUPPORTED", "this server signs no tickets");
      const { clientKey } = state.config;
      const sessionId = sessionIdText(state.id);
      ticket = await this.#authority.mint({ sessionId, pathId, memberId, identity, clientKey, ...this.#holder });
    } catch (error) {
      const problem = KwikError.from(error);
      code = problem.code === "NOT_SUPPORTED" ? ErrorCode.NOT_SUPPORTED : ErrorCode.TICKET_REFUSED;
      reason = problem.message;
    }
    this.#underWay -= 1;
    server.paths.answerTicket(requestId, ticket, code, reason);
    this.#driver.schedule();
  }
}
