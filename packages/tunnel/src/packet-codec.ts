import { type Fields, readAddress, writeAddress } from "./fields.ts";
import type { TunnelAddress } from "./target.ts";

/** What a datagram of a tunnel begins with: "U". */
const TAG = 0x55;
const HEAD_BYTES = 9;

/** One UDP datagram of an association. */
export interface TunnelPacket {
  /** Where it goes (towards the gateway), or came from. */
  readonly address: TunnelAddress;
  readonly payload: Uint8Array;
}

/** A session's datagram with a packet of the association whose stream is `streamId`. Throws INVALID_ARGUMENT for what is no address. spec: TUN-8 */
export function encodePacket(streamId: bigint, packet: TunnelPacket): Uint8Array {
  const address = writeAddress(packet.address);
  const bytes = new Uint8Array(HEAD_BYTES + address.length + packet.payload.length);
  bytes[0] = TAG;
  new DataView(bytes.buffer).setBigUint64(1, streamId);
  bytes.set(address, HEAD_BYTES);
  bytes.set(packet.payload, HEAD_BYTES + address.length);
  return bytes;
}

/** What is in a session's datagram; undefined if it is none of a tunnel. The payload is a view. spec: TUN-9 */
export function decodePacket(data: Uint8Array): { readonly streamId: bigint; readonly packet: TunnelPacket } | undefined {
  if (data.length < HEAD_BYTES || data[0] !== TAG) return undefined;
  const fields: Fields = { bytes: data, at: HEAD_BYTES };
  try {
    const address = readAddress(fields);
    if (address.host === "" || address.port === 0) return undefined;
    const streamId = new DataView(data.buffer, data.byteOffset).getBigUint64(1);
    return { streamId, packet: { address, payload: data.subarray(fields.at) } };
  } catch {
    return undefined;
  }
}
