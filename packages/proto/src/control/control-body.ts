import type { Credit, Envelope } from "./gen/kwik/v1/control.ts";

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

/** A control message of all its fields. It refers to lists and bytes as they are. */
export function body<Kind extends ControlKind>(kind: Kind, fields: ControlMessage<Kind>): Extract<ControlBody, { case: Kind }> {
  return { case: kind, value: fields } as unknown as Extract<ControlBody, { case: Kind }>;
}

/** An envelope around a message. `seq` 0 is for the kinds that belong to one path; the channel numbers the others. */
export function envelopeOf(body: ControlBody, seq = 0, ack = 0): Envelope {
  return { seq: BigInt(seq), ack: BigInt(ack), body };
}

/** Whether a message begins a path or only acknowledges, and so never goes through the reliable channel. spec: CTRL-4 */
export function isPathScoped(kind: ControlKind): kind is PathScopedKind {
  return kind === "clientHello" || kind === "join" || kind === "helloReply" || kind === "refused" || kind === "controlAck";
}
