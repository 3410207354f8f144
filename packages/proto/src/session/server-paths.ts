import { clipText, MAX_REASON_LENGTH } from "../base/clip-text.ts";
import { ErrorCode, failure, knownCode, type ProtocolFailure } from "../base/error-codes.ts";
import { CLIENT_MEMBER, MAX_MEMBERS, type PathId } from "../base/ids.ts";
import { body, type ControlMessage } from "../control/control-body.ts";
import type { RemotePathStatus } from "./session-event.ts";
import type { SessionState } from "./session-state.ts";

/** Rows about other servers' paths that are kept, at most; the oldest final ones go first. */
const MAX_REMOTE_PATHS = 1024;
/** Addresses and the like in such a row, at most, in UTF-16 units. */
const MAX_NAME_LENGTH = 300;

/** A server's side of membership: asks the client for paths, mints tickets, and knows what the client reports of the others. */
export class ServerPaths {
  readonly #state: SessionState;
  readonly #requests = new Set<number>();
  readonly #remote = new Map<PathId, RemotePathStatus>();
  #nextRequest = 1;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** Asks the client for a path; a `path-request-done` event with this number ends it. */
  request(address: string, identity: string, priority: number): number {
    const requestId = this.#nextRequest++;
    this.#requests.add(requestId);
    const refused = this.#control().send(body("addPath", { requestId, address, identity, priority }));
    if (refused !== undefined) this.#done(requestId, refused.code, refused.reason, 0);
    return requestId;
  }

  remove(pathId: PathId, graceMs: number): number {
    const requestId = this.#nextRequest++;
    this.#requests.add(requestId);
    const refused = this.#control().send(body("removePath", { requestId, pathId, graceMs }));
    if (refused !== undefined) this.#done(requestId, refused.code, refused.reason, 0);
    return requestId;
  }

  handleAddPathResult(message: ControlMessage<"addPathResult">): void {
    this.#done(message.requestId, message.code, message.reason, message.pathId);
  }

  handleRemovePathResult(message: ControlMessage<"removePathResult">): void {
    this.#done(message.requestId, message.code, message.reason, 0);
  }

  handleTicketRequest(message: ControlMessage<"ticketRequest">): void {
    this.#state.emit({
      type: "ticket-wanted",
      requestId: message.requestId,
      pathId: message.pathId,
      memberId: message.memberId,
      address: message.address,
      identity: message.identity,
    });
  }

  answerTicket(requestId: number, ticket: string, code: number, reason: string): void {
    this.#control().send(body("ticketReply", { requestId, ticket, code, reason }));
  }

  handleStatus(message: ControlMessage<"pathStatus">): void {
    const status: RemotePathStatus = {
      pathId: message.pathId,
      memberId: message.memberId,
      address: clipText(message.address, MAX_NAME_LENGTH),
      transport: clipText(message.transport, MAX_NAME_LENGTH),
      identity: clipText(message.identity, MAX_NAME_LENGTH),
      state: clipText(message.state, MAX_NAME_LENGTH),
      reason: clipText(message.reason, MAX_REASON_LENGTH),
      isVouched: message.vouched,
      isPrimary: message.primary,
      rttMs: message.rttMs,
      bytesReceived: Number(message.bytesReceived),
      bytesSent: Number(message.bytesSent),
    };
    this.#state.paths.byId(status.pathId)?.setDoubtedByPeer(status.state === "degraded");
    const isNews = this.#remote.get(status.pathId)?.state !== status.state;
    this.#remote.set(status.pathId, status);
    if (this.#remote.size > MAX_REMOTE_PATHS) this.#forgetOne();
    if (isNews) this.#state.emit({ type: "remote-path", status });
  }

  /** The client has named another primary. spec: PRIMARY-3 */
  handlePrimary(message: ControlMessage<"primary">): ProtocolFailure | undefined {
    const { memberId } = message;
    if (memberId === CLIENT_MEMBER || memberId >= MAX_MEMBERS)
      return failure(ErrorCode.PROTOCOL_VIOLATION, `no server has the number ${memberId}`);
    if (memberId === this.#state.primary) return undefined;
    this.#state.primary = memberId;
    this.#state.emit({ type: "primary-changed", member: memberId, reason: "named by the client" });
    return undefined;
  }

  /** The client's word on a source. spec: CONTENT-19 */
  handleSourceReport(message: ControlMessage<"sourceReport">): void {
    const code = knownCode(message.code);
    this.#state.emit({
      type: code === ErrorCode.TIMEOUT ? "source-slow" : "source-isolated",
      member: message.memberId,
      pathId: message.pathId,
      contentId: clipText(message.contentId, MAX_NAME_LENGTH),
      code,
      reason: clipText(message.reason, MAX_REASON_LENGTH),
      version: "",
    });
  }

  /** What the client told of paths that end at other servers, in order of their numbers. */
  remotePaths(): RemotePathStatus[] {
    return [...this.#remote.values()]
      .filter((status) => this.#state.paths.byId(status.pathId) === undefined)
      .sort((a, b) => a.pathId - b.pathId);
  }

  #done(requestId: number, code: number, reason: string, pathId: PathId): void {
    if (!this.#requests.delete(requestId)) return;
    this.#state.emit({ type: "path-request-done", requestId, code, reason, pathId });
  }

  #forgetOne(): void {
    for (const [pathId, status] of this.#remote) {
      if (status.state !== "dead" && status.state !== "closed") continue;
      this.#remote.delete(pathId);
      return;
    }
    this.#remote.delete(this.#remote.keys().next().value as PathId);
  }

  #control() {
    return this.#state.peerOf(CLIENT_MEMBER).control;
  }
}
