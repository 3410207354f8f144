import type { ProtocolFailure } from "../base/error-codes.ts";
import type { ControlBody } from "../control/control-body.ts";
import type { ControlMessages } from "../control/control-messages.ts";
import { EVERY_MESSAGE } from "../control/every-message.ts";
import { ContentServer } from "./content-server.ts";
import { wrongRole } from "./control-dispatch.ts";
import { OwnContributions } from "./own-contributions.ts";
import { PathAcceptance, type PathAcceptanceParts } from "./path-acceptance.ts";
import { RawExchange } from "./raw-exchange.ts";
import { ServerPaths } from "./server-paths.ts";
import type { SessionState } from "./session-state.ts";

/** What only a server's session has. Whoever listens gives it to the session, so that a program that only dials does not hold it. */
export class ServerSide {
  static readonly messages: ControlMessages = EVERY_MESSAGE;
  readonly acceptance: PathAcceptance;
  readonly content: ContentServer;
  readonly contributions: OwnContributions;
  readonly paths: ServerPaths;
  readonly raw: RawExchange;

  constructor(state: SessionState, parts: PathAcceptanceParts) {
    this.acceptance = new PathAcceptance(state, parts);
    this.content = new ContentServer(state);
    this.contributions = new OwnContributions(state);
    this.paths = new ServerPaths(state);
    this.raw = new RawExchange(state);
  }

  /** Takes a control message that only servers receive to the part it concerns. */
  handle(message: ControlBody): ProtocolFailure | undefined {
    switch (message.case) {
      case "addPathResult":
        this.paths.handleAddPathResult(message.value);
        return undefined;
      case "removePathResult":
        this.paths.handleRemovePathResult(message.value);
        return undefined;
      case "ticketRequest":
        this.paths.handleTicketRequest(message.value);
        return undefined;
      case "pathStatus":
        this.paths.handleStatus(message.value);
        return undefined;
      case "primary":
        return this.paths.handlePrimary(message.value);
      case "sourceReport":
        this.paths.handleSourceReport(message.value);
        return undefined;
      case "contentDone":
        this.content.handleDone(message.value);
        return undefined;
      case "rangeRequest":
        return this.content.handleRequest(message.value);
      case "rangeCancel":
        this.content.handleCancel(message.value);
        return undefined;
      case "rawReply":
        this.raw.handleReply(message.value.requestId, message.value.code, message.value.reason, message.value.data);
        return undefined;
      default:
        return wrongRole(message);
    }
  }
}
