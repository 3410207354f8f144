import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AddPathResultSchema,
  AddPathSchema,
  ClientHelloSchema,
  ContentDoneSchema,
  ContentHashesSchema,
  ContentOfferSchema,
  ControlAckSchema,
  EnvelopeSchema,
  GoingAwaySchema,
  HelloReplySchema,
  JoinSchema,
  PathStatusSchema,
  RangeCancelSchema,
  RangeRefusedSchema,
  RangeRequestSchema,
  RawMessageSchema,
  RawReplySchema,
  RefusedSchema,
  RemovePathResultSchema,
  RemovePathSchema,
  SessionCloseAckSchema,
  SessionCloseSchema,
  StreamAnnounceSchema,
  TicketReplySchema,
  TicketRequestSchema,
} from "./gen/kwik/v1/control_pb.ts";
import type { Credit, Envelope } from "./gen/kwik/v1/control_pb.ts";

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

const schemas = {
  clientHello: ClientHelloSchema,
  join: JoinSchema,
  helloReply: HelloReplySchema,
  refused: RefusedSchema,
  controlAck: ControlAckSchema,
  addPath: AddPathSchema,
  addPathResult: AddPathResultSchema,
  ticketRequest: TicketRequestSchema,
  ticketReply: TicketReplySchema,
  removePath: RemovePathSchema,
  removePathResult: RemovePathResultSchema,
  pathStatus: PathStatusSchema,
  streamAnnounce: StreamAnnounceSchema,
  rawMessage: RawMessageSchema,
  rawReply: RawReplySchema,
  contentOffer: ContentOfferSchema,
  contentHashes: ContentHashesSchema,
  contentDone: ContentDoneSchema,
  rangeRequest: RangeRequestSchema,
  rangeCancel: RangeCancelSchema,
  rangeRefused: RangeRefusedSchema,
  sessionClose: SessionCloseSchema,
  sessionCloseAck: SessionCloseAckSchema,
  goingAway: GoingAwaySchema,
} as const satisfies Record<ControlKind, unknown>;

/** Every kind of control message of this version. */
export const CONTROL_KINDS = Object.keys(schemas) as readonly ControlKind[];

/**
 * A control message from its fields; those left out have their zero value.
 * `body("removePath", { requestId: 1, pathId: 2 })`.
 */
export function body<Kind extends ControlKind>(
  kind: Kind,
  fields: MessageInitShape<(typeof schemas)[Kind]>,
): Extract<ControlBody, { case: Kind }> {
  // The table pairs each kind with its own schema, which the compiler cannot follow through an index.
  const value = create(schemas[kind] as typeof AddPathSchema, fields as MessageInitShape<typeof AddPathSchema>);
  return { case: kind, value } as unknown as Extract<ControlBody, { case: Kind }>;
}

/** An envelope around a message. `seq` 0 is for the kinds that belong to one path; the channel numbers the others. */
export function envelopeOf(body: ControlBody, seq = 0, ack = 0): Envelope {
  return create(EnvelopeSchema, { seq: BigInt(seq), ack: BigInt(ack), body });
}

/** Whether a message begins a path or only acknowledges, and so never goes through the reliable channel. spec: CTRL-4 */
export function isPathScoped(kind: ControlKind): kind is PathScopedKind {
  return kind === "clientHello" || kind === "join" || kind === "helloReply" || kind === "refused" || kind === "controlAck";
}

/** Bytes of a message in its envelope, number and acknowledgement left out: what counts on the window. spec: CTRL-8 */
export function controlBodyBytes(body: Envelope["body"]): number {
  return toBinary(EnvelopeSchema, create(EnvelopeSchema, { body })).byteLength;
}
