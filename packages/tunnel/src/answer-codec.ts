import { type Fields, readAddress, readText, writeAddress } from "./fields.ts";
import { refusalOf, type TunnelRefusal, TunnelStatus } from "./refusal.ts";
import type { TunnelAddress } from "./target.ts";

/** Status and length: what every answer begins with, in bytes. */
export const ANSWER_HEAD_BYTES = 3;

/** A reason is cut off here, in bytes of UTF-8. */
const MAX_REASON_BYTES = 255;
const encoder = new TextEncoder();

/** How a gateway answers. */
export type TunnelAnswer =
  /** `bound` is the address from which the target is reached; undefined for unix sockets. */
  | { readonly connected: true; readonly bound: TunnelAddress | undefined }
  | { readonly connected: false; readonly refusal: TunnelRefusal; readonly reason: string };

/** spec: TUN-3 */
export function encodeTunnelAnswer(answer: TunnelAnswer): Uint8Array {
  const body = answer.connected ? boundBytes(answer.bound) : reasonBytes(answer.reason);
  const bytes = new Uint8Array(ANSWER_HEAD_BYTES + body.length);
  bytes.set([answer.connected ? 0 : TunnelStatus[answer.refusal], body.length >> 8, body.length & 0xff]);
  bytes.set(body, ANSWER_HEAD_BYTES);
  return bytes;
}

/** How long the body is that follows a head of ANSWER_HEAD_BYTES. */
export function answerBodyBytes(head: Uint8Array): number {
  return ((head[1] as number) << 8) | (head[2] as number);
}

/** Throws PROTOCOL_VIOLATION. */
export function decodeTunnelAnswer(head: Uint8Array, body: Uint8Array): TunnelAnswer {
  const fields: Fields = { bytes: body, at: 0 };
  if (head[0] !== 0) return { connected: false, refusal: refusalOf(head[0] as number), reason: readText(fields) };
  const bound = readAddress(fields);
  return { connected: true, bound: bound.host === "" ? undefined : bound };
}

function boundBytes(bound: TunnelAddress | undefined): Uint8Array {
  return bound === undefined ? new Uint8Array(3) : writeAddress(bound);
}

function reasonBytes(reason: string): Uint8Array {
  const bytes = new Uint8Array(1 + MAX_REASON_BYTES);
  // Cuts between characters.
  const { written } = encoder.encodeInto(reason, bytes.subarray(1));
  bytes[0] = written;
  return bytes.subarray(0, 1 + written);
}
