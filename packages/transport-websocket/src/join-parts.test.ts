import { expect, test } from "vitest";
import { joinParts } from "./join-parts.ts";

const bytes = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i);
const lengths = (messages: readonly Uint8Array[]): number[] => messages.map((message) => message.length);

test("small parts become one message", () => {
  const messages = joinParts([bytes(0, 3), bytes(3, 1), bytes(4, 6)], 100);
  expect(messages.map((message) => [...message])).toEqual([[...bytes(0, 10)]]);
});

test("large parts are cut, and messages are full wherever more follows", () => {
  const parts = [bytes(0, 3), bytes(3, 25), bytes(28, 2), bytes(30, 10)];
  const messages = joinParts(parts, 10);
  expect(lengths(messages)).toEqual([10, 10, 10, 10]);
  expect(Buffer.concat(messages)).toEqual(Buffer.from(bytes(0, 40)));
  expect(lengths(joinParts([bytes(0, 21)], 10))).toEqual([10, 10, 1]);
});

test("parts without bytes make no message", () => {
  expect(joinParts([], 10)).toEqual([]);
  expect(joinParts([new Uint8Array(0), new Uint8Array(0)], 10)).toEqual([]);
  expect(lengths(joinParts([new Uint8Array(0), bytes(0, 4), new Uint8Array(0)], 10))).toEqual([4]);
});

test("what lies within one part is not copied", () => {
  const part = bytes(0, 25);
  const messages = joinParts([part], 10);
  expect(messages.map((message) => [message.buffer === part.buffer, message.byteOffset])).toEqual([
    [true, 0],
    [true, 10],
    [true, 20],
  ]);
  expect(joinParts([new Uint8Array(0), part], 100)[0]).toBe(part);
});
