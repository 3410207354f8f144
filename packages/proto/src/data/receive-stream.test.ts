import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { ReceiveStream } from "./receive-stream.ts";
import { ReceiveWindow } from "./receive-window.ts";

const HOME = 1;
const OTHER = 2;

function openStream(windowBytes = 1000): ReceiveStream {
  return new ReceiveStream(4, { home: HOME, window: new ReceiveWindow(windowBytes, windowBytes) });
}

function bytes(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (offset + i) % 251);
}

function arrive(stream: ReceiveStream, from: number, offset: number, length: number, fin = false): unknown {
  return stream.handleData(from, offset, bytes(offset, length), fin);
}

function readAll(stream: ReceiveStream): number[] {
  const out: number[] = [];
  for (let data = stream.read(); data !== undefined; data = stream.read()) out.push(...data);
  return out;
}

function released(stream: ReceiveStream): { member: number; bytes: number }[] {
  const out: { member: number; bytes: number }[] = [];
  stream.takeReleased((member, bytes) => out.push({ member, bytes }));
  return out;
}

function refusal(code: number): unknown {
  return expect.objectContaining({ code });
}

// spec: CREDIT-1
test("counts the growth of the home's highest offset and returns it as the reader passes", () => {
  const stream = openStream();
  expect(arrive(stream, HOME, 100, 50)).toBe(150);
  expect(arrive(stream, HOME, 0, 60)).toBe(0);
  expect(released(stream)).toEqual([]);
  expect(readAll(stream)).toEqual([...bytes(0, 60)]);
  expect(released(stream)).toEqual([{ member: HOME, bytes: 60 }]);
  expect(arrive(stream, HOME, 60, 40, false)).toBe(0);
  expect(readAll(stream)).toEqual([...bytes(60, 90)]);
  expect(released(stream)).toEqual([{ member: HOME, bytes: 90 }]);
  expect(released(stream)).toEqual([]);
});

// spec: STREAM-5
test("the first copy of a byte wins", () => {
  const stream = openStream();
  stream.handleData(HOME, 2, Uint8Array.of(1, 1), false);
  stream.handleData(HOME, 0, Uint8Array.of(2, 2, 2, 2, 2, 2), true);
  expect(readAll(stream)).toEqual([2, 2, 1, 1, 2, 2]);
  expect(stream.duplicateBytes).toBe(2);
  expect(stream.isFinished).toBe(true);
});

// spec: CREDIT-1
test("refuses bytes beyond the credit, whoever sends them, and changes nothing", () => {
  const stream = openStream(100);
  expect(arrive(stream, HOME, 60, 41)).toEqual(refusal(ErrorCode.FLOW_CONTROL));
  expect(arrive(stream, OTHER, 101, 1)).toEqual(refusal(ErrorCode.FLOW_CONTROL));
  expect(stream.handleReset(HOME, 0, 101)).toEqual(refusal(ErrorCode.FLOW_CONTROL));
  expect(arrive(stream, HOME, Number.MAX_SAFE_INTEGER, 10)).toEqual(refusal(ErrorCode.FLOW_CONTROL));
  expect([stream.bufferedBytes, stream.highestOffset]).toEqual([0, 0]);
  expect(arrive(stream, HOME, 60, 40)).toBe(100);
});

// spec: STREAM-4
test("refuses final sizes that contradict each other or the bytes", () => {
  const stream = openStream();
  expect(arrive(stream, HOME, 50, 10)).toBe(60);
  expect(arrive(stream, HOME, 0, 10, true)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(stream.handleReset(HOME, 1, 59)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(arrive(stream, HOME, 70, 0, true)).toBe(10);
  expect(arrive(stream, HOME, 60, 5, true)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(arrive(stream, HOME, 65, 6)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(arrive(stream, OTHER, 70, 1)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(stream.handleReset(HOME, 1, 71)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(arrive(stream, HOME, 60, 10, true)).toBe(0);
  expect(stream.finalSize).toBe(70);
});

// spec: STREAM-6
test("a contributor may not end the stream", () => {
  const stream = openStream();
  expect(arrive(stream, OTHER, 0, 5, true)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(stream.handleReset(OTHER, 1, 5)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(stream.finalSize).toBeUndefined();
});

// spec: CREDIT-4
test("contributors count the bytes they had not sent before, and get them back when the reader has passed", () => {
  const stream = openStream();
  expect(arrive(stream, OTHER, 10, 10)).toBe(10);
  expect(arrive(stream, OTHER, 15, 10)).toBe(5);
  expect(arrive(stream, 3, 10, 10)).toBe(10);
  expect(arrive(stream, HOME, 25, 5, true)).toBe(30);
  expect(released(stream)).toEqual([]);
  expect(arrive(stream, HOME, 0, 10)).toBe(0);
  expect(readAll(stream)).toEqual([...bytes(0, 30)]);
  expect(released(stream)).toEqual([
    { member: HOME, bytes: 30 },
    { member: OTHER, bytes: 15 },
    { member: 3, bytes: 10 },
  ]);
  // Late copies of what was read count for those who had not sent it, and come back at once.
  expect(arrive(stream, 3, 5, 10)).toBe(5);
  expect(released(stream)).toEqual([{ member: 3, bytes: 5 }]);
});

test("what contributors sent beyond the home's end is not part of the stream", () => {
  const stream = openStream();
  arrive(stream, OTHER, 8, 10);
  expect(arrive(stream, HOME, 0, 4)).toBe(4);
  expect(arrive(stream, HOME, 4, 6, true)).toBe(6);
  expect(stream.bufferedBytes).toBe(10);
  expect(readAll(stream)).toEqual([...bytes(0, 10)]);
  expect(stream.isFinished).toBe(true);
  expect(released(stream)).toEqual([
    { member: HOME, bytes: 10 },
    { member: OTHER, bytes: 10 },
  ]);
});

// spec: CREDIT-1
test("an empty segment moves the home's highest offset over a gap", () => {
  const stream = openStream();
  expect(arrive(stream, HOME, 40, 0)).toBe(40);
  expect(arrive(stream, HOME, 40, 0)).toBe(0);
  expect(arrive(stream, OTHER, 0, 40)).toBe(40);
  readAll(stream);
  expect(released(stream)).toEqual([
    { member: HOME, bytes: 40 },
    { member: OTHER, bytes: 40 },
  ]);
});

test("a reset discards, counts up to its final size and gives all credit back", () => {
  const stream = openStream();
  arrive(stream, HOME, 5, 10);
  arrive(stream, OTHER, 30, 10);
  expect(stream.handleReset(HOME, 77, 20)).toBe(5);
  expect([stream.resetCode, stream.readableBytes, stream.bufferedBytes, stream.finalSize]).toEqual([77, 0, 0, 20]);
  expect(stream.isFinished).toBe(false);
  expect(released(stream)).toEqual([
    { member: HOME, bytes: 20 },
    { member: OTHER, bytes: 10 },
  ]);
  expect(stream.handleReset(HOME, 78, 20)).toBe(0);
  expect(stream.resetCode).toBe(77);
  // Contributors may not know yet.
  expect(arrive(stream, OTHER, 40, 10)).toBe(10);
  expect(arrive(stream, HOME, 20, 1)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(released(stream)).toEqual([{ member: OTHER, bytes: 10 }]);
});

test("a reset after every byte has arrived is without effect", () => {
  const stream = openStream();
  arrive(stream, HOME, 0, 10, true);
  expect(stream.handleReset(HOME, 77, 10)).toBe(0);
  expect(stream.resetCode).toBeUndefined();
  expect(readAll(stream)).toEqual([...bytes(0, 10)]);
  expect(stream.isFinished).toBe(true);
});

test("after stop everything is discarded and credited, and the end is still noticed", () => {
  const stream = openStream();
  arrive(stream, HOME, 0, 10);
  arrive(stream, HOME, 20, 10);
  stream.stop(5);
  stream.stop(6);
  expect([stream.stopCode, stream.readableBytes, stream.bufferedBytes]).toEqual([5, 0, 0]);
  expect(released(stream)).toEqual([{ member: HOME, bytes: 30 }]);
  expect(arrive(stream, HOME, 30, 10)).toBe(10);
  expect(released(stream)).toEqual([{ member: HOME, bytes: 10 }]);
  expect(stream.isFinished).toBe(false);
  expect(arrive(stream, HOME, 40, 2, true)).toBe(2);
  expect([stream.isFinished, stream.readOffset, stream.read()]).toEqual([true, 42, undefined]);
});

// spec: CREDIT-4, CONTENT-1
test("content fills its region without credit, and STREAM bytes there are refused", () => {
  const stream = openStream(100);
  expect(arrive(stream, HOME, 0, 10)).toBe(10);
  expect(stream.reserveContent(10, 5000)).toBeUndefined();
  expect(arrive(stream, HOME, 5, 6)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(arrive(stream, OTHER, 90, 1)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(arrive(stream, HOME, 5, 5)).toBe(0);
  stream.deliverContent(2010, bytes(2010, 3000));
  stream.deliverContent(10, bytes(10, 2000));
  expect(stream.setFinalSize(5010)).toBeUndefined();
  expect(readAll(stream)).toEqual([...bytes(0, 5010)]);
  expect(stream.isFinished).toBe(true);
  // A copy of what has arrived is no violation.
  expect(arrive(stream, HOME, 5, 10)).toBe(5);
});

test("bytes that arrived before the region was reserved stay and may arrive again", () => {
  const stream = openStream();
  arrive(stream, HOME, 20, 10);
  expect(stream.reserveContent(10, 30)).toBeUndefined();
  expect(arrive(stream, HOME, 20, 10)).toBe(0);
  expect(arrive(stream, HOME, 19, 10)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(stream.reserveContent(39, 5)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
  expect(stream.reserveContent(40, 5)).toBeUndefined();
});

test("the final size of content holds against FIN and against bytes beyond", () => {
  const stream = openStream();
  stream.reserveContent(0, 50);
  expect(stream.setFinalSize(49)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(stream.setFinalSize(50)).toBeUndefined();
  expect(stream.setFinalSize(51)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(arrive(stream, HOME, 51, 0, true)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(stream.reserveContent(50, 1)).toEqual(refusal(ErrorCode.FINAL_SIZE));
  expect(stream.isEndedByHome).toBe(false);
  // The home gives the stream up before the content is complete.
  expect(stream.handleReset(HOME, 3, 0)).toBe(0);
  expect(stream.resetCode).toBe(3);
});

test("refuses the thousand and first content region that is still unread", () => {
  const stream = openStream();
  for (let i = 0; i < 1000; i += 1) expect(stream.reserveContent(i * 10, 5)).toBeUndefined();
  expect(stream.reserveContent(20_000, 5)).toEqual(refusal(ErrorCode.LIMIT_REACHED));
  stream.deliverContent(0, bytes(0, 12));
  readAll(stream);
  expect(stream.reserveContent(20_000, 5)).toBeUndefined();
});

test("refuses content that does not fit in the numbers", () => {
  const stream = openStream();
  expect(stream.reserveContent(Number.MAX_SAFE_INTEGER, 5)).toEqual(refusal(ErrorCode.PROTOCOL_VIOLATION));
});
