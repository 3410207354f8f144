export { acceptTunnel, type AcceptTunnelLimits, type IncomingTunnel, REQUEST_TIMEOUT_MS } from "./accept-tunnel.ts";
export { ANSWER_TIMEOUT_MS, openTunnel, type OpenTunnelOptions, type Tunnel } from "./open-tunnel.ts";
export { TunnelRefusedError, type TunnelRefusal, TunnelReset, TunnelStatus } from "./refusal.ts";
export {
  describeTarget,
  type LinkTarget,
  type TcpTarget,
  type TunnelAddress,
  type TunnelTarget,
  type UdpTarget,
  type UnixTarget,
} from "./target.ts";
export { decodeTunnelRequest, encodeTunnelRequest, REQUEST_HEAD_BYTES, requestBodyBytes } from "./request-codec.ts";
export { ANSWER_HEAD_BYTES, answerBodyBytes, decodeTunnelAnswer, encodeTunnelAnswer, type TunnelAnswer } from "./answer-codec.ts";
export { decodePacket, encodePacket, type TunnelPacket } from "./packet-codec.ts";
export { tunnelDatagrams, type TunnelDatagrams } from "./tunnel-datagrams.ts";
export { MAX_TUNNEL_BODY_BYTES, type TunnelStream } from "./tunnel-stream.ts";
export { stopCodeOf } from "./stop-code.ts";
