export { webSocketClient } from "./web-socket-client.ts";
export { webTransportClient } from "./web-transport-client.ts";
