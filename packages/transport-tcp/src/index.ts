export type { TcpListenOptions } from "./listener.ts";
export { dialOver } from "./tcp-dial.ts";
export { tcpTransport } from "./tcp-transport.ts";
export type { TcpTransportOptions } from "./tcp-transport.ts";
