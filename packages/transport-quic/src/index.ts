export { isQuicAvailable } from "./engine/binding.ts";
export type { QuicListenOptions } from "./listener.ts";
export { quicTransport } from "./quic-transport.ts";
export type { QuicTransportOptions } from "./quic-transport.ts";
