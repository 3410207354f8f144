export type { WebSocketListenOptions } from "./websocket-listener.ts";
export { webSocketOver } from "./websocket-over.ts";
export type { WebSocketOverOptions } from "./websocket-over.ts";
export { webSocketTransport } from "./websocket-transport.ts";
export type { WebSocketTransportOptions } from "./websocket-transport.ts";
