import {
  AddPath,
  AddPathResult,
  ClientHello,
  ContentDone,
  ContentHashes,
  ContentOffer,
  ControlAck,
  Envelope,
  GoingAway,
  HelloReply,
  Join,
  PathStatus,
  Primary,
  RangeCancel,
  RangeRefused,
  RangeRequest,
  RawMessage,
  RawReply,
  Refused,
  RemovePath,
  RemovePathResult,
  SessionClose,
  SessionCloseAck,
  SourceReport,
  StreamAnnounce,
  TicketReply,
  TicketRequest,
} from "./gen/kwik/v1/control.ts";
import type { Credit } from "./gen/kwik/v1/control.ts";

export type { Credit, Envelope };

/** A control message with its kind; `switch (body.case)` narrows `body.value`. */
export type ControlBody = Exclude<Envelope["body"], { case: undefined }>;

/** Name of a kind of control message, "addPath" for instance. */
export type ControlKind = ControlBody["case"];

/** The fields of one kind of control message. 64-bit fields are bigint, decoded ones below 2^53. */
export type ControlMessage<Kind extends ControlKind> = Extract<ControlBody, { case: Kind }>["value"];

/** Kinds that belong to one path and carry no number: they begin a path, or only acknowledge. spec: CTRL-4 */
export type PathScopedKind = "clientHello" | "join" | "helloReply" | "refused" | "controlAck";

/** Kinds that the control channel delivers reliably and in order. */
export type NumberedBody = Exclude<ControlBody, { case: PathScopedKind }>;

const codecs = {
  clientHello: ClientHello,
  join: Join,
  helloReply: HelloReply,
  refused: Refused,
  controlAck: ControlAck,
  addPath: AddPath,
  addPathResult: AddPathResult,
  ticketRequest: TicketRequest,
  ticketReply: TicketReply,
  removePath: RemovePath,
  removePathResult: RemovePathResult,
  pathStatus: PathStatus,
  primary: Primary,
  streamAnnounce: StreamAnnounce,
  rawMessage: RawMessage,
  rawReply: RawReply,
  contentOffer: ContentOffer,
  contentHashes: ContentHashes,
  contentDone: ContentDone,
  rangeRequest: RangeRequest,
  rangeCancel: RangeCancel,
  rangeRefused: RangeRefused,
  sourceReport: SourceReport,
  sessionClose: SessionClose,
  sessionCloseAck: SessionCloseAck,
  goingAway: GoingAway,
} as const satisfies { readonly [Kind in ControlKind]: { create(): ControlMessage<Kind> } };

/** Every kind of control message of this version. */
export const CONTROL_KINDS = Object.keys(codecs) as readonly ControlKind[];

/**
 * A control message from its fields; those left out, or undefined, have their zero value. It refers to lists and bytes as they are.
 * `body("removePath", { requestId: 1, pathId: 2 })`.
 */
export function body<Kind extends ControlKind>(
  kind: Kind,
  fields: Readonly<Partial<ControlMessage<Kind>>>,
): Extract<ControlBody, { case: Kind }> {
  // The table pairs each kind with its own codec, which the compiler cannot follow through an index.
  const value = codecs[kind].create() as unknown as Record<string, unknown>;
  const given = fields as Readonly<Record<string, unknown>>;
  for (const name in given) {
    if (given[name] !== undefined) value[name] = given[name];
  }
  return { case: kind, value } as unknown as Extract<ControlBody, { case: Kind }>;
}

/** An envelope around a message. `seq` 0 is for the kinds that belong to one path; the channel numbers the others. */
export function envelopeOf(body: ControlBody, seq = 0, ack = 0): Envelope {
  return { seq: BigInt(seq), ack: BigInt(ack), body };
}

/** Whether a message begins a path or only acknowledges, and so never goes through the reliable channel. spec: CTRL-4 */
export function isPathScoped(kind: ControlKind): kind is PathScopedKind {
  return kind === "clientHello" || kind === "join" || kind === "helloReply" || kind === "refused" || kind === "controlAck";
}

/** Bytes of a message in its envelope, number and acknowledgement left out: what counts on the window. spec: CTRL-8 */
export function controlBodyBytes(body: Envelope["body"]): number {
  return Envelope.encode({ seq: 0n, ack: 0n, body }).finish().length;
}
