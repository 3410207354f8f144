import fc from "fast-check";
import { expect, test } from "vitest";
import { joinMessages, recycleMessage } from "./join-messages.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";

const lengths = (messages: Iterable<Uint8Array>): number[] => [...messages].map(({ length }) => length);

test("small parts go together, large ones are cut, and all but the last message are full", () => {
  expect(lengths(joinMessages([new Uint8Array(3), new Uint8Array(1), new Uint8Array(6)]))).toEqual([10]);
  const max = MAX_MESSAGE_BYTES;
  expect(lengths(joinMessages([new Uint8Array(7), new Uint8Array(2 * max), new Uint8Array(5)]))).toEqual([max, max, 12]);
  expect(lengths(joinMessages([new Uint8Array(max)]))).toEqual([max]);
});

test("nothing makes no message", () => {
  expect(lengths(joinMessages([]))).toEqual([]);
  expect(lengths(joinMessages([new Uint8Array(0), new Uint8Array(0)]))).toEqual([]);
});

test("whatever the parts, the bytes are theirs, also in memory that is used again", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(90_000), { maxLength: 6 }), fc.nat(250), (sizes, seed) => {
      const parts = sizes.map((size, index) => new Uint8Array(size).map((_, at) => seed + index + (at >> 3)));
      const messages = [...joinMessages(parts)];
      expect(Buffer.concat(messages).equals(Buffer.concat(parts))).toBe(true);
      for (const message of messages) recycleMessage(message);
    }),
    { numRuns: 50 },
  );
});

test("a message is a copy, and memory is used again only once it was given back", () => {
  const part = new Uint8Array(MAX_MESSAGE_BYTES).fill(1);
  const [first] = joinMessages([part]);
  part.fill(2);
  const [second] = joinMessages([part]);
  expect([first?.[0], second?.[0], first?.buffer === second?.buffer]).toEqual([1, 2, false]);
  recycleMessage(second as Uint8Array);
  const [third] = joinMessages([part]);
  expect(third?.buffer).toBe(second?.buffer);
});
