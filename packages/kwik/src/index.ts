export { dial } from "./dial.ts";
export { FILE_BLOCK_BYTES, fileStore } from "./file-store.ts";
export { listen, type NodeListenOptions } from "./listen.ts";
export * from "./session-api.ts";
export { DEFAULT_LISTENER_LIMITS, parseTransportName, prefixOf, TicketError } from "@kwik/core";
