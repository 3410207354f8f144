export { Http3Connection, type Http3Options } from "./http3-connection.ts";
export type { Http3Port, Http3PortReceiver, Http3Stream, Http3StreamReceiver } from "./http3-port.ts";
