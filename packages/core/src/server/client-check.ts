import { ErrorCode, type Opening } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { JoinAuthority, TicketHolder } from "../api/join-authority.ts";
import type { AuthRequest, AuthResult, ListenOptions } from "../api/options.ts";
import { joinTranscript } from "../session-key/join-transcript.ts";
import { verifySignature } from "../session-key/session-key.ts";
import type { Link } from "../transport/link.ts";
import type { FairTurns } from "./fair-turns.ts";
import type { LinkAdmission } from "./link-admission.ts";
import type { ListenEnvironment } from "./listen-environment.ts";
import { refused, RefusedError } from "./refusal.ts";

export type Join = Extract<Opening, { kind: "join" }>["message"];

/** Characters of an identity that `authenticate` gives; longer ones fit into no ticket. */
const MAX_IDENTITY_LENGTH = 1_024;

/** What a client is told whose certificate is not believed any more. */
export const CERTIFICATE_REVOKED = "the client's certificate was revoked";

/** Decides who a client is, and whether it may come: by its proof, its ticket, or its credentials. */
export class ClientCheck {
  readonly #identity: string;
  readonly #authority: JoinAuthority | undefined;
  readonly #authenticate: ListenOptions["authenticate"];
  readonly #turns: FairTurns;
  readonly #notice: (message: string) => void;

  /** `turns` are those of `authenticate`. */
  constructor({ identity, authority, onNotice }: ListenEnvironment, options: Pick<ListenOptions, "authenticate">, turns: FairTurns) {
    this.#identity = identity;
    this.#authority = authority;
    this.#authenticate = options.authenticate?.bind(options);
    this.#turns = turns;
    this.#notice = (message) => onNotice?.(message);
  }

  /** Whether the client shows the session's key to this server, and not to whoever gets the join. Rejects if it shows it to neither. spec: CTRL-11 */
  async proof(message: Join, sessionId: string): Promise<boolean> {
    for (const identity of [this.#identity, ""]) {
      // A client that could not learn whom it dials may sign for nobody, but then a ticket is worth nothing to it.
      if (identity === "" && message.ticket !== "") continue;
      const { pathId, memberId, ticket } = message;
      const statement = joinTranscript({ sessionId, pathId, memberId, identity, ticket });
      if (await verifySignature(message.clientKey, statement, message.proof)) return identity !== "";
    }
    throw refused(ErrorCode.TICKET_REFUSED, "the join is not signed with the session's key for this server", "proof");
  }

  /** Who the client of a ticket is. Rejects if the ticket does not admit it. */
  async ticket(link: Link, message: Join, sessionId: string): Promise<TicketHolder> {
    this.refuseRevoked(link);
    if (this.#authority === undefined)
      throw refused(ErrorCode.TICKET_REFUSED, "this server belongs to no cluster and takes no tickets", "ticket-no-cluster");
    const { pathId, memberId, clientKey } = message;
    const holder = await this.#authority.verify(message.ticket, { sessionId, pathId, memberId, clientKey });
    // Over this link it may have shown no certificate; the server that signed may have seen one. spec: TICKET-1
    for (const identity of [holder.clientIdentity, holder.certificateIdentity]) this.refuseIfRevoked(identity);
    return { ...holder, clientIdentity: holder.clientIdentity ?? link.properties.clientIdentity };
  }

  /**
   * Who the client of a hello, or of a join without ticket, is, which comes from `network`. Rejects if the application does not want it. `onAsked` is told when the application
   * is asked: its promise resolves when that is over, which may be after the client has left, with whether it found something wrong.
   */
  async credentials(
    admission: LinkAdmission,
    opening: Opening,
    network: string | undefined,
    onAsked: (answered: Promise<boolean>) => void,
  ): Promise<string | undefined> {
    this.refuseRevoked(admission.link);
    const { clientIdentity, remoteAddress, transport } = admission.link.properties;
    const authenticate = this.#authenticate;
    if (authenticate === undefined) return clientIdentity;
    const token = opening.message.token === "" ? undefined : opening.message.token;
    const gone = new AbortController();
    const { signal } = gone;
    const request: AuthRequest = { token, clientIdentity, remoteAddress, transport, joining: opening.kind === "join", signal };
    let result: AuthResult;
    try {
      result = await this.#inTime(admission, network, gone, async () => authenticate(request), onAsked);
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      this.#notice(`authenticate failed: ${KwikError.from(error).message}`);
      throw refused(ErrorCode.AUTH_REFUSED, "the server could not check the credentials", "internal");
    }
    if (!result.ok) throw refused(ErrorCode.AUTH_REFUSED, result.reason ?? "", "credentials");
    if ((result.identity?.length ?? 0) > MAX_IDENTITY_LENGTH) {
      this.#notice(`authenticate gave an identity of more than ${MAX_IDENTITY_LENGTH} characters`);
      throw refused(ErrorCode.AUTH_REFUSED, "the server could not check the credentials", "internal");
    }
    return result.identity ?? clientIdentity;
  }

  /**
   * What the application answers, when it is this client's turn to be asked about, unless it takes too long or the client has left: nothing is kept for an answer that may never come.
   */
  #inTime(
    admission: LinkAdmission,
    network: string | undefined,
    gone: AbortController,
    ask: () => Promise<AuthResult>,
    onAsked: (answered: Promise<boolean>) => void,
  ): Promise<AuthResult> {
    const share = this.#turns.share(network);
    const answer = new Promise<AuthResult>((resolve, reject) => {
      const giveUp = (problem: RefusedError): void => {
        reject(problem);
        gone.abort(problem);
      };
      const begin = (): void => {
        let onOver: (isWrong: boolean) => void = () => undefined;
        const turn = share.begin((afterMs) => {
          this.#notice(`authenticate did not answer within ${afterMs} ms`);
          onOver(false);
          giveUp(refused(ErrorCode.TIMEOUT, `the credentials were not checked within ${afterMs} ms`, "timeout"));
        });
        if (turn === undefined) {
          share.wait(begin);
          return;
        }
        onAsked(new Promise((over) => (onOver = over)));
        const asked = ask().finally(() => turn.end());
        asked.then(resolve, reject);
        asked.then(
          (result) => onOver(!result.ok),
          () => onOver(false),
        );
      };
      admission.onOver = () => {
        share.leave();
        giveUp(refused(ErrorCode.TIMEOUT, "the client is gone", "timeout"));
      };
      begin();
    });
    return answer.finally(() => {
      admission.onOver = undefined;
    });
  }

  /** Throws if the certificate that the client showed is not believed any more, also by a path of a session that is here. spec: PATH-10 */
  refuseRevoked(link: Link): void {
    this.refuseIfRevoked(link.properties.clientIdentity);
  }

  /** Throws if this is the identity of a certificate that is not believed any more. */
  refuseIfRevoked(clientIdentity: string | undefined): void {
    if (clientIdentity === undefined || this.#authority?.isRevoked(clientIdentity) !== true) return;
    throw refused(ErrorCode.AUTH_REFUSED, CERTIFICATE_REVOKED, "revoked");
  }
}
