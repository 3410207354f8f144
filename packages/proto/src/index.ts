export * from "./base/error-codes.ts";
export * from "./base/ids.ts";
export { DEFAULT_LIMITS, type Limits } from "./base/limits.ts";
export { type Rate, RateLimit, takeAt } from "./base/rate-limit.ts";
export { type Rng, SeededRng } from "./base/rng.ts";
export type { DurationMs, Instant } from "./base/time.ts";
export { Arrival } from "./data/arrival.ts";
export type { PathState } from "./path/path.ts";
export { schedulerFactory } from "./schedule/scheduler-factory.ts";
export type { PathView, Scheduler, SchedulerFactory } from "./schedule/scheduler.ts";
export { type JoinProof, REDIRECT_FEATURE } from "./session/hello.ts";
export type { LinkInfo } from "./session/path-opening.ts";
export type { ContentServer } from "./session/content-server.ts";
export type { PathAcceptance } from "./session/path-acceptance.ts";
export { ServerSide } from "./session/server-side.ts";
export { type ServerBeginning, Session } from "./session/session.ts";
export { type ClientHello, type Join, type Opening, PathAcceptor } from "./session/path-acceptor.ts";
export type { PathPlan } from "./session/client-paths.ts";
export type { Replacement } from "./session/peer.ts";
export type { DatagramWay } from "./session/outgoing-datagram.ts";
export type { RemotePathStatus, SessionEvent, SessionPath } from "./session/session-event.ts";
export type { SessionConfig } from "./session/session-state.ts";
export { type StreamEntry, type StreamSender, StreamSignal } from "./session/stream-entry.ts";
export type { Transmit } from "./session/transmit.ts";
export type { Checksum } from "./wire/frame.ts";

// links over one pipe
export * from "./wire/pipe-record.ts";

// the codec itself, for tools and tests that speak the protocol by hand
export { type ControlBody, envelopeOf } from "./control/control-body.ts";
export { EVERY_MESSAGE } from "./control/every-message.ts";
export { partialBody } from "./control/partial-body.ts";
export { ControlDecoder, encodeEnvelope, type Envelope } from "./control/control-codec.ts";
export { CarrierKind, encodePreamble } from "./wire/preamble.ts";
