// transport authors
export { checkDialOptions } from "./api/check-dial-options.ts";
export { checkListenOptions } from "./api/check-listen-options.ts";
export { checkOptions, type OptionKinds } from "./api/option-shape.ts";
export { Arrival, ErrorCode } from "@kwik/proto";
export {
  AuthError,
  isKwikError,
  KwikError,
  LimitError,
  PathError,
  SessionClosedError,
  StreamError,
  StreamLimitError,
  TicketError,
  TimeoutError,
} from "./api/errors.ts";
export type { KwikErrorCode, TicketFlaw } from "./api/errors.ts";
export {
  DEFAULT_PORT,
  formatAddress,
  parseAddress,
  parseTransportName,
  type Relay,
  type ServerAddress,
  type TransportName,
} from "./transport/address.ts";
export { anyTransport } from "./transport/any-transport.ts";
export { checkedWebPath, DEFAULT_WEB_PATH, type WebRules, webRules } from "./transport/web-rules.ts";
export { type LinkAttempt, raceLinks } from "./transport/race-links.ts";
export type {
  Carrier,
  CarrierReceiver,
  Link,
  LinkCapabilities,
  LinkCloseInfo,
  LinkProperties,
  LinkReceiver,
  LinkStats,
} from "./transport/link.ts";
export { type BytePipe, type BytePipeReceiver, PIPE_LOW_WATER_BYTES } from "./pipe/byte-pipe.ts";
export { PipeLink } from "./pipe/pipe-link.ts";
export type { DialRequest, ListenRequest, ServerTrust, Transport, TransportListener } from "./transport/transport.ts";

// applications
export { dialWith, type DialEnvironment } from "./client/client-session.ts";
export type { ListenEnvironment } from "./server/listen-environment.ts";
export { listenWith } from "./server/listener.ts";
export { type Runtime, systemRuntime } from "./driver/runtime.ts";
export type * from "./api/contract.ts";
export type * from "./api/content.ts";
export type * from "./api/join-authority.ts";
export type * from "./api/options.ts";
export type { LimitName, RefusalReason } from "./api/refusal-reason.ts";
export { DEFAULT_LISTENER_LIMITS, type ListenerLimits, type ListenLimits } from "./api/listener-limits.ts";
export type * from "./api/stats.ts";
export { Priority } from "./api/priority.ts";
export { DEFAULT_LIMITS, type Limits, type PathView, type Scheduler, type SchedulerFactory } from "@kwik/proto";

// trust
export * from "./transport/pinning.ts";
export * from "./session-key/session-key.ts";
export * from "./session-key/join-transcript.ts";
export { prefixOf } from "./policy/address-prefix.ts";
export { AddressRange } from "./policy/address-range.ts";
export { type AddressPolicy, type AddressVerdict, checkAddress, checkResolved, isPrivateHost } from "./policy/address-policy.ts";
