export { dial } from "./dial.ts";
export { FILE_BLOCK_BYTES, fileStore } from "./file-store.ts";
export { listen, type NodeListenOptions } from "./listen.ts";
export {
  AuthError,
  DEFAULT_LIMITS,
  DEFAULT_PORT,
  ErrorCode,
  formatAddress,
  isKwikError,
  KwikError,
  parseAddress,
  parseTransportName,
  PathError,
  Priority,
  SessionClosedError,
  StreamError,
  StreamLimitError,
  TimeoutError,
} from "@kwik/core";
export type * from "@kwik/core";
