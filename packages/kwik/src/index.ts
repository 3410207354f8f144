export { dial } from "./dial.ts";
export { FILE_BLOCK_BYTES, fileStore } from "./file-store.ts";
export { listen, type NodeListenOptions } from "./listen.ts";
export * from "./session-api.ts";
export { parseTransportName } from "@kwik/core";
