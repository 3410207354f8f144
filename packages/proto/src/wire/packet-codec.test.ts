import { crc32 as platformCrc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { AckFrame } from "./frame.ts";
import { PacketDecoder, type PacketDecoderOptions, type PacketSink } from "./packet-decoder.ts";
import { PacketEncoder, REFERENCE_FROM_BYTES, streamFrameOverhead } from "./packet-encoder.ts";

const LIMITS: PacketDecoderOptions = { maxPacketBytes: 200_000, maxRawBytes: 5000, maxDatagramBytes: 1500 };

type Call = [name: string, ...values: unknown[]];
type FrameName = Exclude<keyof PacketEncoder, "begin" | "finish" | "payloadBytes" | "isAckEliciting">;
type Frame = [name: FrameName, ...values: unknown[]];

/** A sink that writes down what it is told; arrays are copied, so that later changes do not show. */
function recordingSink(calls: Call[], answer: (name: string) => ProtocolFailure | undefined = () => undefined): PacketSink {
  const copy = (value: unknown): unknown =>
    value instanceof Uint8Array ? Uint8Array.from(value) : typeof value === "object" && value !== null ? structuredClone(value) : value;
  const method =
    (_: object, name: string) =>
    (...values: unknown[]) => {
      calls.push([name, ...values.map(copy)]);
      return answer(name);
    };
  return new Proxy({}, { get: method }) as PacketSink;
}

function encode(encoder: PacketEncoder, packetNumber: number, frames: readonly Frame[]): Uint8Array[] {
  encoder.begin(packetNumber);
  for (const [name, ...values] of frames) (encoder[name] as (...values: unknown[]) => void).apply(encoder, values);
  return encoder.finish();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Calls in which neighbouring pieces of one stream's or range's data are put together again. */
function merged(calls: readonly Call[]): Call[] {
  const out: Call[] = [];
  let pieces: Uint8Array[] = [];
  let end = -1;
  const close = () => {
    const last = out.at(-1);
    if (last !== undefined && pieces.length > 0) last[3] = joined(pieces);
    pieces = [];
  };
  for (const call of calls) {
    const [name, id, offset, data, fin] = call;
    const last = out.at(-1);
    const isPiece = name === "streamData" || name === "rangeData";
    if (isPiece && pieces.length > 0 && last?.[0] === name && last[1] === id && last[4] !== true && end === offset) {
      if (name === "streamData") last[4] = fin;
    } else {
      close();
      out.push([...call]);
    }
    if (!isPiece) continue;
    pieces.push(data as Uint8Array);
    end = (offset as number) + (data as Uint8Array).length;
  }
  close();
  return out;
}

function expectedCalls(packetNumber: number, frames: readonly Frame[], payloadBytes: number): Call[] {
  const calls: Call[] = [["packetBegin", packetNumber, payloadBytes]];
  for (const [name, ...values] of frames) if (name !== "padding") calls.push([name === "stream" ? "streamData" : name, ...values]);
  const eliciting = frames.some(([name]) => name !== "padding" && name !== "ack" && name !== "pathClose");
  calls.push(["packetEnd", packetNumber, eliciting, payloadBytes]);
  return merged(calls);
}

const number = fc.oneof(fc.nat(70), fc.nat(20_000), fc.maxSafeNat());
const offset = number.map((value) => Math.min(value, Number.MAX_SAFE_INTEGER - 10_000));
const data = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 900, max: 4000 }).map((length) => Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff)),
);
const direction = fc.constantFrom("bidirectional", "unidirectional");
const ack = fc
  .tuple(number, number, fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { minLength: 1, maxLength: 300 }))
  .map(([pathId, delayMicros, steps]): AckFrame => {
    const ascending: number[] = [];
    let next = 0;
    for (const [gap, length] of steps) {
      ascending.push(next + gap, next + gap + length);
      next += gap + length + 2;
    }
    const ranges: number[] = [];
    for (let i = ascending.length - 2; i >= 0 && ranges.length < 2 * 257; i -= 2)
      ranges.push(ascending[i] as number, ascending[i + 1] as number);
    return { pathId, largest: ranges[1] as number, delayMicros, ranges };
  });
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.constantFrom<Frame>(["probe"], ["carrierRetire"]),
  fc.tuple(fc.constant<"padding">("padding"), fc.integer({ min: 1, max: 50 })),
  fc.tuple(fc.constant<"ack">("ack"), ack),
  fc.tuple(fc.constant<"stream">("stream"), number, offset, data, fc.boolean()),
  fc.tuple(fc.constant<"resetStream">("resetStream"), number, number, number),
  fc.tuple(
    fc.constantFrom<"stopSending" | "maxStreamData" | "streamDataBlocked">("stopSending", "maxStreamData", "streamDataBlocked"),
    number,
    number,
  ),
  fc.tuple(fc.constantFrom<"maxData" | "dataBlocked">("maxData", "dataBlocked"), number),
  fc.tuple(fc.constantFrom<"maxStreams" | "streamsBlocked">("maxStreams", "streamsBlocked"), direction, number),
  fc.tuple(fc.constant<"priority">("priority"), number, fc.nat(255)),
  fc.tuple(fc.constant<"rangeData">("rangeData"), number, offset, data),
  fc.tuple(fc.constantFrom<"raw" | "rawReply">("raw", "rawReply"), number, number, data),
  fc.tuple(fc.constant<"datagram">("datagram"), fc.maxSafeNat(), fc.uint8Array({ maxLength: 1500 })),
  fc.tuple(fc.constant<"pathClose">("pathClose"), number, number, fc.string({ unit: "grapheme", maxLength: 60 })),
);
const packets = fc.array(fc.tuple(number, fc.array(frame, { minLength: 1, maxLength: 12 })), { minLength: 1, maxLength: 5 });
/** Sizes of successive inputs, used in turns. */
const cuts = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 3000 })), {
  minLength: 1,
  maxLength: 10,
});

function pushInPieces(decoder: PacketDecoder, bytes: Uint8Array, sizes: readonly number[]): ProtocolFailure | undefined {
  let turn = 0;
  for (let at = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] as number;
    const outcome = decoder.push(bytes.subarray(at, at + size));
    if (outcome !== undefined) return outcome;
    at += size;
  }
  return undefined;
}

// spec: WIRE-3, WIRE-5, WIRE-8
test.each([
  ["without checksum", undefined],
  ["with checksum", platformCrc32],
])("any frames, cut anywhere, arrive as they were written, %s", (_, checksum) => {
  fc.assert(
    fc.property(packets, cuts, (written, sizes) => {
      const encoder = new PacketEncoder(checksum === undefined ? {} : { checksum });
      const expected: Call[] = [];
      const parts: Uint8Array[] = [];
      for (const [packetNumber, frames] of written) {
        encoder.begin(packetNumber);
        for (const [name, ...values] of frames) (encoder[name] as (...values: unknown[]) => void).apply(encoder, values);
        const { payloadBytes, isAckEliciting } = encoder;
        const calls = expectedCalls(packetNumber, frames, payloadBytes);
        expect(calls.at(-1)).toEqual(["packetEnd", packetNumber, isAckEliciting, payloadBytes]);
        expected.push(...calls);
        parts.push(...encoder.finish());
      }
      const bytes = joined(parts);
      for (const pieces of [sizes, [bytes.length], [1]]) {
        const calls: Call[] = [];
        const decoder = new PacketDecoder(recordingSink(calls), { ...LIMITS, requireChecksum: checksum !== undefined });
        expect(pushInPieces(decoder, bytes, pieces)).toBeUndefined();
        expect(merged(calls)).toEqual(expected);
        expect(decoder.heldBytes).toBe(0);
        expect(decoder.isBetweenPackets).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

// spec: WIRE-3
test("every truncation is incomplete, never a failure", () => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 4 }), fc.boolean(), (frames, withChecksum) => {
      const bytes = joined(encode(new PacketEncoder(withChecksum ? { checksum: platformCrc32 } : {}), 1000, frames));
      const stride = Math.max(1, Math.floor(bytes.length / 200));
      for (let length = 1; length < bytes.length; length += stride) {
        const calls: Call[] = [];
        const decoder = new PacketDecoder(recordingSink(calls), LIMITS);
        expect(decoder.push(bytes.subarray(0, length))).toBeUndefined();
        expect(calls.some(([name]) => name === "packetEnd")).toBe(false);
        expect(decoder.isBetweenPackets).toBe(false);
      }
    }),
    { numRuns: 60 },
  );
});

test("random bytes never throw, and what is kept stays bounded", () => {
  const type = fc.constantFrom(0x02, 0x08, 0x20, 0x28, 0x29, 0x30, 0x3c, 0x3d, 0x00, 0x01, 0xc0, 0x80);
  const bytes = fc.array(fc.oneof(type, fc.nat(255)), { maxLength: 300 }).map((list) => Uint8Array.from(list));
  const header = fc.constantFrom([], [0, 0, 0x41, 0x00], [0, 0, 0x80, 1, 0, 0], [1, 0, 0x41, 0x00], [0, 5, 20]);
  fc.assert(
    fc.property(header, bytes, cuts, (start, tail, sizes) => {
      const decoder = new PacketDecoder(recordingSink([]), LIMITS);
      const input = Uint8Array.of(...start, ...tail);
      let outcome: ProtocolFailure | undefined;
      for (let at = 0, turn = 0; at < input.length; turn += 1) {
        const size = sizes[turn % sizes.length] as number;
        const now = decoder.push(input.subarray(at, at + size));
        if (outcome !== undefined) expect(now).toBe(outcome);
        outcome = now;
        at += size;
        expect(decoder.heldBytes).toBeLessThanOrEqual(Math.max(LIMITS.maxRawBytes, LIMITS.maxPacketBytes + 4) + 17);
      }
      if (outcome !== undefined)
        expect([ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE, ErrorCode.CHECKSUM_MISMATCH]).toContain(outcome.code);
    }),
    { numRuns: 2000 },
  );
});

// spec: WIRE-6
test("a flipped bit anywhere in a packet with checksum is noticed, and nothing of the packet was told", () => {
  const frames: Frame[] = [
    ["maxData", 70_000],
    ["stream", 4, 9, new Uint8Array(40).fill(7), true],
  ];
  const bytes = joined(encode(new PacketEncoder({ checksum: platformCrc32 }), 3, frames));
  for (let position = 0; position < bytes.length; position += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[position] = (flipped[position] as number) ^ (1 << bit);
      for (const sizes of [[bytes.length], [10]]) {
        const calls: Call[] = [];
        const decoder = new PacketDecoder(recordingSink(calls), { ...LIMITS, requireChecksum: true });
        const outcome = pushInPieces(decoder, flipped, sizes);
        // A length that grew leaves the packet incomplete.
        expect(outcome !== undefined || !decoder.isBetweenPackets).toBe(true);
        expect(calls).toEqual([]);
      }
    }
  }
});

// spec: WIRE-6
test("where checksums are required, a packet without is refused before anything is told", () => {
  const calls: Call[] = [];
  const decoder = new PacketDecoder(recordingSink(calls), { ...LIMITS, requireChecksum: true });
  expect(decoder.push(joined(encode(new PacketEncoder(), 0, [["probe"]])))?.code).toBe(ErrorCode.CHECKSUM_MISMATCH);
  expect(calls).toEqual([]);
});

// spec: WIRE-5
test("stream bytes are passed on as views of the input as soon as they arrive", () => {
  const calls: [number, Uint8Array, boolean][] = [];
  const sink = {
    ...recordingSinkMethods(),
    streamData: (_: number, at: number, piece: Uint8Array, fin: boolean) => void calls.push([at, piece, fin]),
  };
  const decoder = new PacketDecoder(sink, LIMITS);
  const bytes = joined(encode(new PacketEncoder(), 0, [["stream", 0, 100, new Uint8Array(5000).fill(1), true]]));
  decoder.push(bytes.subarray(0, 1000));
  decoder.push(bytes.subarray(1000, 2000));
  expect(calls.map(([at, piece, fin]) => [at, piece.length, fin])).toEqual([
    [100, 990, false],
    [1090, 1000, false],
  ]);
  expect(calls.every(([, piece]) => piece.buffer === bytes.buffer)).toBe(true);
  expect(decoder.heldBytes).toBe(0);
  decoder.push(bytes.subarray(2000));
  expect(calls.at(-1)?.[2]).toBe(true);
});

test("bodies that are delivered whole belong to the receiver, also from a Buffer", () => {
  const received: Uint8Array[] = [];
  const sink = { ...recordingSinkMethods(), datagram: (_: number, body: Uint8Array) => void received.push(body) };
  const bytes = Buffer.from(joined(encode(new PacketEncoder(), 0, [["datagram", 0, Uint8Array.of(1, 2, 3)]])));
  new PacketDecoder(sink, LIMITS).push(bytes);
  bytes.fill(0);
  expect(received).toEqual([Uint8Array.of(1, 2, 3)]);
});

// spec: WIRE-10
test("the longest ACK is read from any cut, and keeps no more than itself", () => {
  const wide = (value: number) => [0xc0, 0, 0, 0, 0, 0, value >> 8, value & 0xff];
  const ackBytes = [0x02, ...[0, 60_000, 0, 256, 3].flatMap(wide), ...Array.from({ length: 256 }, () => [...wide(7), ...wide(2)]).flat()];
  const bytes = Uint8Array.of(0, 0, 0x40 | ((ackBytes.length + 1) >> 8), (ackBytes.length + 1) & 0xff, ...ackBytes, 0x01);
  for (const sizes of [[1], [63], [64], [1000], [bytes.length - 1]]) {
    const calls: Call[] = [];
    const decoder = new PacketDecoder(recordingSink(calls), LIMITS);
    for (let at = 0; at < bytes.length; at += sizes[0] as number) {
      expect(decoder.push(bytes.subarray(at, at + (sizes[0] as number)))).toBeUndefined();
      expect(decoder.heldBytes).toBeLessThanOrEqual(ackBytes.length);
    }
    expect(calls.map(([name]) => name)).toEqual(["packetBegin", "ack", "probe", "packetEnd"]);
    const { ranges } = calls.flat()[4] as AckFrame;
    expect(ranges).toHaveLength(2 * 257);
    expect(ranges.slice(0, 4)).toEqual([59_997, 60_000, 59_986, 59_988]);
    expect(ranges.at(-2)).toBe(59_997 - 256 * 11);
  }
});

// spec: WIRE-10
test("of too many ranges the encoder sends the highest", () => {
  const ranges = Array.from({ length: 300 }, (_, i) => [1000 - 3 * i, 1001 - 3 * i]).flat();
  const calls: Call[] = [];
  const bytes = joined(encode(new PacketEncoder(), 0, [["ack", { pathId: 1, largest: 1001, delayMicros: 0, ranges }]]));
  new PacketDecoder(recordingSink(calls), LIMITS).push(bytes);
  expect(calls[1]?.[1]).toMatchObject({ largest: 1001, ranges: ranges.slice(0, 2 * 257) });
});

// spec: WIRE-15
test("a failure of the sink stops the decoder at that frame", () => {
  const frames: Frame[] = [["maxData", 1], ["probe"], ["maxData", 2]];
  for (const [refused, told] of [
    ["packetBegin", 1],
    ["maxData", 2],
    ["probe", 3],
    ["packetEnd", 5],
  ] as const) {
    const calls: Call[] = [];
    const refusal = failure(ErrorCode.FLOW_CONTROL, "no");
    const decoder = new PacketDecoder(
      recordingSink(calls, (name) => (name === refused ? refusal : undefined)),
      LIMITS,
    );
    const bytes = joined(encode(new PacketEncoder(), 0, frames));
    expect(decoder.push(bytes)).toBe(refusal);
    expect(decoder.push(bytes)).toBe(refusal);
    expect(calls).toHaveLength(told);
  }
});

test("small data is copied, large data is passed by reference", () => {
  const small = new Uint8Array(REFERENCE_FROM_BYTES - 1);
  const large = new Uint8Array(REFERENCE_FROM_BYTES);
  expect(encode(new PacketEncoder(), 0, [["stream", 0, 0, small, false], ["probe"]])).toHaveLength(1);
  const parts = encode(new PacketEncoder(), 0, [["stream", 0, 0, large, false], ["stream", 4, 0, large, false], ["probe"]]);
  expect(parts).toHaveLength(5);
  expect(parts[1]).toBe(large);
  expect(parts[3]).toBe(large);
});

test("bytes that were handed out never change, over many packets and slabs", () => {
  const encoder = new PacketEncoder({ checksum: platformCrc32 });
  const sent: { parts: Uint8Array[]; bytes: Uint8Array }[] = [];
  for (let i = 0; i < 500; i += 1) {
    if (i % 3 === 0) {
      encoder.begin(i);
      encoder.stream(1, 2, new Uint8Array(300).fill(i), false);
    }
    const parts = encode(encoder, i, [
      ["padding", ((i * 37) % 900) + 1],
      ["stream", 1, 2, new Uint8Array((i * 17) % 1000).fill(i), true],
    ]);
    sent.push({ parts, bytes: joined(parts) });
  }
  for (const { parts, bytes } of sent) expect(joined(parts)).toEqual(bytes);
  const calls: Call[] = [];
  const decoder = new PacketDecoder(recordingSink(calls), LIMITS);
  for (const { bytes } of sent) expect(decoder.push(bytes)).toBeUndefined();
  expect(calls.filter(([name]) => name === "packetEnd").map(([, packetNumber]) => packetNumber)).toEqual(sent.map((_, i) => i));
});

test("the overhead of a stream frame is what the encoder uses", () => {
  fc.assert(
    fc.property(number, offset, data, (id, at, bytes) => {
      const encoder = new PacketEncoder();
      encoder.begin(0);
      encoder.stream(id, at, bytes, false);
      expect(encoder.payloadBytes).toBe(streamFrameOverhead(id, at, bytes.length) + bytes.length);
    }),
  );
});

test("misuse of the encoder throws", () => {
  const encoder = new PacketEncoder();
  expect(() => encoder.probe()).toThrow();
  expect(() => encoder.finish()).toThrow();
  encoder.begin(0);
  expect(() => encoder.finish()).toThrow();
  expect(() => encoder.priority(0, 256)).toThrow(RangeError);
  expect(() => encoder.stream(0, Number.MAX_SAFE_INTEGER, Uint8Array.of(1), false)).toThrow(RangeError);
  encode(encoder, 0, [["probe"]]);
  expect(() => encoder.probe()).toThrow();
});

/** Methods of a silent sink as own properties. */
function recordingSinkMethods(): PacketSink {
  const nothing = (): undefined => undefined;
  return {
    packetBegin: nothing,
    probe: nothing,
    ack: nothing,
    streamData: nothing,
    resetStream: nothing,
    stopSending: nothing,
    maxData: nothing,
    maxStreamData: nothing,
    maxStreams: nothing,
    dataBlocked: nothing,
    streamDataBlocked: nothing,
    streamsBlocked: nothing,
    priority: nothing,
    rangeData: nothing,
    raw: nothing,
    rawReply: nothing,
    datagram: nothing,
    pathClose: nothing,
    carrierRetire: nothing,
    packetEnd: nothing,
  };
}
