import type { ProtocolFailure } from "../base/error-codes.ts";
import type { Envelope } from "./control-body.ts";
import { ControlDecoder } from "./control-codec.ts";
import { EVERY_MESSAGE } from "./every-message.ts";

/** The envelopes in the bytes of a control carrier that arrive cut at these places, and what is wrong with the bytes. */
export function decodeAll(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
): { envelopes: Envelope[]; problem: ProtocolFailure | undefined } {
  const decoder = new ControlDecoder({ maxControlMessageBytes: 100_000 }, EVERY_MESSAGE);
  const envelopes: Envelope[] = [];
  let problem: ProtocolFailure | undefined;
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i += 1) {
    problem = decoder.push(bytes.subarray(edges[i - 1], edges[i]));
    for (let next = decoder.poll(); next !== undefined; next = decoder.poll()) {
      const { seq, ack, body } = next;
      envelopes.push({ seq, ack, body });
    }
  }
  return { envelopes, problem };
}

/** Bytes of protobuf with their length before them, as the control carrier has it. */
export function framed(message: Uint8Array): Uint8Array {
  return Uint8Array.from([0x80, message.length >> 16, (message.length >> 8) & 0xff, message.length & 0xff, ...message]);
}

/** All byte fields of an envelope, wherever they are. */
export function byteFieldsOf(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(byteFieldsOf) : [];
}
