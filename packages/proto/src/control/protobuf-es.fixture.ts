import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Buffer } from "node:buffer";
import type { Envelope } from "./control-body.ts";
import { DESCRIPTOR_SET } from "./gen/descriptor.fixture.ts";

/**
 * The schema as protobuf-es reads it at run time. Its codec, which passes the conformance suite, is what ours is held against; and the
 * schema's own rules are tested with it.
 */
export const EnvelopeSchema: DescMessage = envelopeSchema();

/** What protobuf-es writes for an envelope. */
export function encodeWithProtobufEs(envelope: Envelope): Uint8Array {
  return toBinary(EnvelopeSchema, create(EnvelopeSchema, envelope as unknown as MessageInitShape<DescMessage>));
}

/** What protobuf-es reads, as plain objects. */
export function decodeWithProtobufEs(bytes: Uint8Array): Envelope {
  return plain(fromBinary(EnvelopeSchema, bytes, { readUnknownFields: false })) as Envelope;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "$typeName")
      .map(([name, inner]) => [name, plain(inner)]),
  );
}

function envelopeSchema(): DescMessage {
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(DESCRIPTOR_SET, "base64")));
  const schema = files.getMessage("kwik.v1.Envelope");
  if (schema === undefined) throw new Error("the schema has no Envelope");
  return schema;
}
