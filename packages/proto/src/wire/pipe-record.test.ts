import fc from "fast-check";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ErrorCode, failure } from "../base/error-codes.ts";
import {
  encodeClose,
  encodeDatagram,
  encodeReset,
  MAX_RECORD_HEAD_BYTES,
  PipeDecoder,
  type PipeSink,
  writeDataHead,
} from "./pipe-record.ts";

type Call = [string, ...unknown[]];

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly calls: readonly Call[];
}

const { records } = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as { records: readonly Vector[] };
const page = readFileSync(new URL("../../../../docs/protocol/pipe.md", import.meta.url), "utf8");

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Writes down what it is told; pieces of one carrier's bytes that follow each other are one. */
class Recorder implements PipeSink {
  readonly calls: Call[] = [];

  pipeData(carrier: number, data: Uint8Array): undefined {
    const last = this.calls.at(-1);
    if (last?.[0] === "pipeData" && last[1] === carrier) last[2] = { hex: (last[2] as { hex: string }).hex + hexOf(data) };
    else this.calls.push(["pipeData", carrier, { hex: hexOf(data) }]);
  }
  pipeReset(carrier: number, code: number): undefined {
    this.calls.push(["pipeReset", carrier, code]);
  }
  pipeDatagram(data: Uint8Array): undefined {
    this.calls.push(["pipeDatagram", { hex: hexOf(data) }]);
  }
  pipeClose(code: number, reason: string): undefined {
    this.calls.push(["pipeClose", code, reason]);
  }
}

function dataRecord(carrier: number, data: Uint8Array): Uint8Array {
  const head = new Uint8Array(MAX_RECORD_HEAD_BYTES);
  return Buffer.concat([head.subarray(0, writeDataHead(head, 0, carrier, data.length)), data]);
}

function encode([name, first, second]: Call): Uint8Array {
  if (name === "pipeData") return dataRecord(first as number, bytesOf((second as { hex: string }).hex));
  if (name === "pipeReset") return encodeReset(first as number, second as number);
  if (name === "pipeDatagram") return encodeDatagram(bytesOf((first as { hex: string }).hex));
  return encodeClose(first as number, second as string);
}

// spec: PIPE-2
test.each(records)("$name, both ways", ({ hex, calls }) => {
  expect(hexOf(Buffer.concat(calls.map(encode)))).toBe(hex);
  const recorder = new Recorder();
  expect(new PipeDecoder(recorder).push(bytesOf(hex))).toBeUndefined();
  expect(recorder.calls).toEqual(calls);
});

test("the examples of the specification are the vectors", () => {
  const blocks = [...page.matchAll(/```hex ([^\n]*)\n([^`]*)```/g)];
  expect(blocks.map(([, name = "", text = ""]) => [name, text.replace(/#.*$|\s/gm, "")])).toEqual(
    records.map(({ name, hex }) => [name, hex]),
  );
});

const bytes = fc.uint8Array({ maxLength: 80 }).map((data) => ({ hex: hexOf(data) }));
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constant("pipeData"), fc.nat(100_000), bytes),
  fc.tuple(fc.constant("pipeReset"), fc.nat(), fc.maxSafeNat()),
  fc.tuple(fc.constant("pipeDatagram"), bytes),
  fc.tuple(fc.constant("pipeClose"), fc.nat(), fc.string({ maxLength: 40 })),
);

// spec: PIPE-2
test("whatever the cuts, the same is told", () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (calls, sizes) => {
      const whole = Buffer.concat(calls.map(encode));
      const atOnce = new Recorder();
      const inPieces = new Recorder();
      expect(new PipeDecoder(atOnce).push(whole)).toBeUndefined();
      const decoder = new PipeDecoder(inPieces);
      for (let at = 0, i = 0; at < whole.length; i += 1) {
        const size = sizes[i % sizes.length] as number;
        expect(decoder.push(whole.subarray(at, at + size))).toBeUndefined();
        at += size;
      }
      expect(inPieces.calls).toEqual(atOnce.calls);
      expect(atOnce.calls.filter(([name]) => name !== "pipeData")).toEqual(calls.filter(([name]) => name !== "pipeData"));
    }),
  );
});

// spec: PIPE-2, PIPE-5, PIPE-6
test.each([
  ["an unknown type", "04", ErrorCode.FRAME_ENCODING],
  ["an HTTP request", hexOf(Buffer.from("GET / HTTP/1.1\r\n")), ErrorCode.FRAME_ENCODING],
  ["a number above 2^53 - 1", "00c020000000000000", ErrorCode.FRAME_ENCODING],
  ["a datagram of 64 KiB", "0280010000", ErrorCode.TOO_LARGE],
  ["a reason of 1025 bytes", "03004401", ErrorCode.TOO_LARGE],
])("refuses %s, whole or byte by byte, and stays so", (_, hex, code) => {
  const input = bytesOf(`${hex}0000`);
  for (const size of [input.length, 1]) {
    const recorder = new Recorder();
    const decoder = new PipeDecoder(recorder);
    let outcome: { code: number } | undefined;
    for (let at = 0; at < input.length; at += size) outcome = decoder.push(input.subarray(at, at + size));
    expect(outcome?.code).toBe(code);
    expect(recorder.calls).toEqual([]);
  }
});

test("a refusal by the receiver ends the decoding", () => {
  const refusal = failure(ErrorCode.PROTOCOL_VIOLATION, "no");
  let told = 0;
  const sink = new Recorder();
  sink.pipeReset = () => {
    told += 1;
    return refusal as unknown as undefined;
  };
  const decoder = new PipeDecoder(sink);
  expect(decoder.push(Buffer.concat([encodeReset(1, 0), encodeReset(3, 0)]))).toBe(refusal);
  expect(decoder.push(encodeReset(5, 0))).toBe(refusal);
  expect(told).toBe(1);
});
