import { type BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { ControlKind, Envelope } from "./control-body.ts";
import { StrictReader } from "./strict-reader.ts";

/** Number of a message's field in the envelope, and what writes its fields. */
type Encoder = readonly [field: number, encode: (message: never, writer: BinaryWriter) => BinaryWriter];

/** Kind of a message, and what reads so many bytes of its fields. */
type Decoder = readonly [kind: ControlKind, decode: (reader: BinaryReader, bytes: number) => unknown];

/** The control messages that one side sends and those that it receives, with their code. */
export interface ControlMessages {
  readonly sent: { readonly [Kind in ControlKind]?: Encoder };
  /** By the number of their field in the envelope. */
  readonly received: { readonly [field: number]: Decoder };
  /** Fields of messages that are for the other side only: violations here. */
  readonly foreign: readonly number[];
}

/** An envelope that arrived. */
export interface ReceivedEnvelope extends Envelope {
  /** Its length without number and acknowledgement: what counts on the window. spec: CTRL-8 */
  readonly bodyBytes: number;
}

const SEQ_FIELD = 1;
const ACK_FIELD = 2;

/** The protobuf of an envelope. */
export function writeEnvelope(messages: ControlMessages, { seq, ack, body }: Envelope): Uint8Array {
  const writer = new BinaryWriter();
  if (seq !== 0n) writer.tag(SEQ_FIELD, WireType.Varint).uint64(seq);
  if (ack !== 0n) writer.tag(ACK_FIELD, WireType.Varint).uint64(ack);
  if (body.case !== undefined) {
    const encoder = messages.sent[body.case];
    if (encoder === undefined) throw new Error(`this side does not send ${body.case}`);
    const [field, encode] = encoder;
    // The table pairs each kind with its own code, which the compiler cannot follow through an index.
    encode(body.value as never, writer.tag(field, WireType.LengthDelimited).fork()).join();
  }
  return writer.finish();
}

/** Bytes of a message in its envelope, number and acknowledgement left out: what counts on the window. spec: CTRL-8 */
export function controlBodyBytes(messages: ControlMessages, body: Envelope["body"]): number {
  return writeEnvelope(messages, { seq: 0n, ack: 0n, body }).length;
}

/** Reads the protobuf of an envelope, and throws an Error at what is malformed. Answers PROTOCOL_VIOLATION at a message that is not for this side. */
export function readEnvelope({ received, foreign }: ControlMessages, bytes: Uint8Array): ReceivedEnvelope | ProtocolFailure {
  const reader = new StrictReader(bytes);
  let seq = 0n;
  let ack = 0n;
  let body: Envelope["body"] = { case: undefined };
  let bodyBytes = bytes.length;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    const decoder = wireType === WireType.LengthDelimited ? received[field] : undefined;
    if (decoder !== undefined) {
      const [kind, decode] = decoder;
      body = { case: kind, value: decode(reader, reader.uint32()) } as Envelope["body"];
    } else if (wireType === WireType.Varint && (field === SEQ_FIELD || field === ACK_FIELD)) {
      const number = reader.uint64();
      if (field === SEQ_FIELD) seq = number;
      else ack = number;
      bodyBytes -= reader.pos - start;
    } else if (wireType === WireType.LengthDelimited && foreign.includes(field)) {
      return failure(ErrorCode.PROTOCOL_VIOLATION, `the control message ${field} is not for this side`);
      // Unknown fields are skipped, not kept: nobody forwards an envelope, and kept ones cost a hundred times their bytes.
    } else reader.skip(wireType, field);
  }
  return { seq, ack, body, bodyBytes };
}
