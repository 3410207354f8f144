import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { CarrierId } from "../base/ids.ts";
import { body, envelopeOf, type ControlMessage } from "../control/control-body.ts";
import { encodeEnvelope } from "../control/control-codec.ts";
import { EVERY_MESSAGE } from "../control/every-message.ts";
import { PROTOCOL_VERSION } from "../wire/preamble.ts";
import { LinkInput, type LinkInputOptions } from "./link-input.ts";

export type ClientHello = ControlMessage<"clientHello">;
export type Join = ControlMessage<"join">;

/** The first message of a path. */
export type Opening = { readonly kind: "hello"; readonly message: ClientHello } | { readonly kind: "join"; readonly message: Join };

/**
 * A link that came to a server and does not belong to a session yet: reads its first message, holds what follows, and can refuse.
 * Once decided, its input goes on in the session.
 */
export class PathAcceptor {
  readonly input: LinkInput;

  constructor(options: Omit<LinkInputOptions, "messages">) {
    this.input = new LinkInput({ ...options, messages: EVERY_MESSAGE });
  }

  handleData(carrier: CarrierId, data: Uint8Array): ProtocolFailure | undefined {
    return this.input.handleData(carrier, data);
  }

  /** The first message, once; a failure if it is not one that begins a path. spec: PATH-3 */
  pollOpening(): Opening | ProtocolFailure | undefined {
    const envelope = this.input.pollEnvelope();
    if (envelope === undefined) return undefined;
    const { body: content } = envelope;
    if (content.case === "clientHello") return checked({ kind: "hello", message: content.value });
    if (content.case === "join") {
      if (content.value.sessionId.length !== 16) return failure(ErrorCode.PROTOCOL_VIOLATION, "a session id has 16 bytes");
      return checked({ kind: "join", message: content.value });
    }
    return failure(ErrorCode.PROTOCOL_VIOLATION, `a path begins with a hello or a join, not with ${content.case ?? "an unknown message"}`);
  }

  /** Bytes for the control carrier that say no. */
  static refusal(code: number, reason: string, retryAfterMs = 0, redirectPort = 0): Uint8Array {
    return encodeEnvelope(EVERY_MESSAGE, envelopeOf(body("refused", { code, reason, retryAfterMs, redirectPort })));
  }
}

function checked(opening: Opening): Opening | ProtocolFailure {
  const { versions } = opening.message;
  if (versions.includes(PROTOCOL_VERSION)) return opening;
  return failure(ErrorCode.VERSION, `this server speaks version ${PROTOCOL_VERSION}, the client ${versions.join(", ") || "none"}`);
}
