import type { ControlBody, ControlKind, ControlMessage } from "./control-body.ts";
import {
  createAddPath,
  createAddPathResult,
  createClientHello,
  createContentDone,
  createContentHashes,
  createContentOffer,
  createControlAck,
  createGoingAway,
  createHelloReply,
  createJoin,
  createPathStatus,
  createPrimary,
  createRangeCancel,
  createRangeRefused,
  createRangeRequest,
  createRawMessage,
  createRawReply,
  createRefused,
  createRemovePath,
  createRemovePathResult,
  createSessionClose,
  createSessionCloseAck,
  createSourceReport,
  createStreamAnnounce,
  createTicketReply,
  createTicketRequest,
} from "./gen/kwik/v1/control.ts";

const zeros = {
  clientHello: createClientHello,
  join: createJoin,
  helloReply: createHelloReply,
  refused: createRefused,
  controlAck: createControlAck,
  addPath: createAddPath,
  addPathResult: createAddPathResult,
  ticketRequest: createTicketRequest,
  ticketReply: createTicketReply,
  removePath: createRemovePath,
  removePathResult: createRemovePathResult,
  pathStatus: createPathStatus,
  primary: createPrimary,
  streamAnnounce: createStreamAnnounce,
  rawMessage: createRawMessage,
  rawReply: createRawReply,
  contentOffer: createContentOffer,
  contentHashes: createContentHashes,
  contentDone: createContentDone,
  rangeRequest: createRangeRequest,
  rangeCancel: createRangeCancel,
  rangeRefused: createRangeRefused,
  sourceReport: createSourceReport,
  sessionClose: createSessionClose,
  sessionCloseAck: createSessionCloseAck,
  goingAway: createGoingAway,
} as const satisfies { readonly [Kind in ControlKind]: () => ControlMessage<Kind> };

/** Every kind of control message of this version. */
export const CONTROL_KINDS = Object.keys(zeros) as readonly ControlKind[];

/**
 * A control message of which some fields are left out, or undefined: they have their zero value. For tools and tests that speak the protocol by hand.
 * `partialBody("removePath", { requestId: 1, pathId: 2 })`.
 */
export function partialBody<Kind extends ControlKind>(
  kind: Kind,
  fields: Readonly<Partial<ControlMessage<Kind>>>,
): Extract<ControlBody, { case: Kind }> {
  // The table pairs each kind with its own zeros, which the compiler cannot follow through an index.
  const value = zeros[kind]() as unknown as Record<string, unknown>;
  const given = fields as Readonly<Record<string, unknown>>;
  for (const name in given) {
    if (given[name] !== undefined) value[name] = given[name];
  }
  return { case: kind, value } as unknown as Extract<ControlBody, { case: Kind }>;
}
