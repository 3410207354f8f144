import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ErrorCode, type ErrorName } from "../base/error-codes.ts";
import { crc32 } from "./crc32.ts";
import { FrameType } from "./frame.ts";
import { PacketDecoder, type PacketSink } from "./packet-decoder.ts";
import { PacketEncoder } from "./packet-encoder.ts";
import { type CarrierKind, encodePreamble, PreambleReader } from "./preamble.ts";
import { VarintReader, writeVarint } from "./varint.ts";

interface Vector {
  readonly name: string;
  readonly meaning: string;
  readonly hex: string;
}

interface Vectors {
  readonly varints: readonly { readonly value: number; readonly hex: string }[];
  readonly preambles: readonly (Vector & { readonly kind: CarrierKind })[];
  /** Frames are calls of the encoder; bytes are written {"hex": "…"}. */
  readonly packets: readonly (Vector & {
    readonly packetNumber: number;
    readonly checksum: boolean;
    readonly frames: readonly [string, ...unknown[]][];
  })[];
  readonly malformed: readonly (Vector & { readonly error: ErrorName })[];
}

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Vectors;
const page = readFileSync(new URL("../../../../docs/protocol/wire.md", import.meta.url), "utf8");
const LIMITS = { maxPacketBytes: 65_536, maxRawBytes: 1024, maxDatagramBytes: 1024 };

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** A sink that writes calls down as the vectors do. */
function recordingSink(calls: unknown[][]): PacketSink {
  const plain = (value: unknown) => (value instanceof Uint8Array ? { hex: hexOf(value) } : structuredClone(value));
  return new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...values: unknown[]) =>
          void calls.push([name, ...values.map(plain)]),
    },
  ) as PacketSink;
}

test.each(vectors.varints)("$value is written $hex", ({ value, hex }) => {
  const target = new Uint8Array(8);
  expect(hexOf(target.subarray(0, writeVarint(target, 0, value)))).toBe(hex);
  const reader = new VarintReader();
  reader.reset(bytesOf(hex), 0, hex.length / 2);
  expect(reader.varint()).toBe(value);
});

test.each(vectors.preambles)("$name: $meaning", ({ hex, kind }) => {
  expect(hexOf(encodePreamble(kind))).toBe(hex);
  expect(new PreambleReader().push(bytesOf(hex))).toMatchObject({ kind });
});

// spec: WIRE-3, WIRE-10, WIRE-14
test.each(vectors.packets)("packet $name: $meaning", ({ hex, packetNumber, checksum, frames }) => {
  const encoder = new PacketEncoder(checksum ? { checksum: crc32 } : {});
  encoder.begin(packetNumber);
  for (const [name, ...values] of frames) {
    const method: (...values: unknown[]) => void = encoder[name as "probe"];
    method.apply(
      encoder,
      values.map((value) => (typeof value === "object" && value !== null && "hex" in value ? bytesOf(String(value.hex)) : value)),
    );
  }
  expect(hexOf(Buffer.concat(encoder.finish()))).toBe(hex);

  const calls: unknown[][] = [];
  expect(new PacketDecoder(recordingSink(calls), LIMITS).push(bytesOf(hex))).toBeUndefined();
  const told = frames
    .filter(([name]) => name !== "padding")
    .map(([name, ...values]) => [name === "stream" ? "streamData" : name, ...values]);
  expect(calls.slice(1, -1)).toEqual(told);
  expect(calls.at(0)?.slice(0, 2)).toEqual(["packetBegin", packetNumber]);
  expect(calls.at(-1)?.slice(0, 2)).toEqual(["packetEnd", packetNumber]);
});

// spec: WIRE-1, WIRE-3, WIRE-4, WIRE-6, WIRE-7, WIRE-9, WIRE-10, WIRE-11, WIRE-13, WIRE-14
test.each(vectors.malformed)("refuses $name with $error: $meaning", ({ hex, error }) => {
  for (const size of [hex.length, 2, 1]) {
    const calls: unknown[][] = [];
    const decoder = new PacketDecoder(recordingSink(calls), LIMITS);
    const bytes = bytesOf(hex);
    let outcome: { code: number } | undefined;
    for (let at = 0; at < bytes.length; at += size) outcome = decoder.push(bytes.subarray(at, at + size));
    expect(outcome?.code).toBe(ErrorCode[error]);
    expect(calls.filter(([name]) => name !== "packetBegin")).toEqual([]);
  }
});

test("the examples of the specification are the vectors", () => {
  const named = new Map([...vectors.preambles, ...vectors.packets, ...vectors.malformed].map(({ name, hex }) => [name, hex]));
  const blocks = [...page.matchAll(/```hex ([^\n]*)\n([^`]*)```/g)];
  expect(blocks.length).toBeGreaterThanOrEqual(8);
  expect(page.match(/```hex/g)).toHaveLength(blocks.length);
  for (const [, name = "", text = ""] of blocks) expect([name, text.replace(/#.*$|\s/gm, "")]).toEqual([name, named.get(name)]);
  for (const [, value, hex] of page.matchAll(/^\| (\d+) \| `([0-9a-f]+)` \|$/gm)) {
    expect(vectors.varints).toContainEqual({ value: Number(value), hex });
  }
});

test("the specification's table of frames is the code's", () => {
  const rows = [...page.matchAll(/^\| `(0x[0-9a-f]{2})` \| ([A-Z_]+) \|/gm)].map(([, type, name]) => [name, Number(type)]);
  expect(Object.fromEntries(rows)).toEqual(FrameType);
});
