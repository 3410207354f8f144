/** What programs use beside `dial`, whatever they run in. */
export {
  AuthError,
  DEFAULT_LIMITS,
  DEFAULT_PORT,
  ErrorCode,
  formatAddress,
  isKwikError,
  KwikError,
  LimitError,
  parseAddress,
  PathError,
  Priority,
  SessionClosedError,
  StreamError,
  StreamLimitError,
  TimeoutError,
} from "@kwik/core";
export type * from "@kwik/core";
