import fc from "fast-check";
import { expect, test } from "vitest";
import { type SentPacket, SentPackets } from "./sent-packets.ts";

function numbers(packets: Iterable<SentPacket<unknown>>): number[] {
  return [...packets].map((packet) => packet.number);
}

/** Descending inclusive pairs for a set of numbers. */
function rangesOf(values: number[]): number[] {
  const sorted = [...new Set(values)].sort((a, b) => b - a);
  const ranges: number[] = [];
  for (const value of sorted) {
    if (ranges.length > 0 && ranges[ranges.length - 2] === value + 1) ranges[ranges.length - 2] = value;
    else ranges.push(value, value);
  }
  return ranges;
}

test("behaves as a map from number to packet under any appends and acknowledgements", () => {
  const operation = fc.oneof(
    fc.record({ gap: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 1, max: 100 }) }),
    fc.array(fc.nat(80), { maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const sent = new SentPackets<string>();
      const oracle = new Map<number, number>();
      let next = 0;
      for (const op of operations) {
        if (Array.isArray(op)) {
          const expected = [...oracle.keys()].filter((number) => op.includes(number));
          const acked: SentPacket<string>[] = [];
          sent.acknowledge(rangesOf(op), acked);
          expect(numbers(acked)).toEqual(expected);
          for (const number of expected) oracle.delete(number);
        } else {
          next += op.gap;
          sent.append(next, next * 2, op.bytes, [`frame ${next}`]);
          oracle.set(next, op.bytes);
        }
        expect(numbers(sent.unacknowledged())).toEqual([...oracle.keys()]);
        expect(sent.count).toBe(oracle.size);
        expect(sent.inFlightBytes).toBe([...oracle.values()].reduce((sum, bytes) => sum + bytes, 0));
        expect(sent.oldest?.number).toBe([...oracle.keys()][0]);
      }
    }),
  );
});

test("gives everything back at once and starts anew", () => {
  const sent = new SentPackets<number>();
  for (let n = 0; n < 5; n += 1) sent.append(n, n, 10, [n]);
  const acked: SentPacket<number>[] = [];
  sent.acknowledge([2, 3], acked);
  expect(sent.takeAll().map((packet) => packet.frames[0])).toEqual([0, 1, 4]);
  expect(sent.inFlightBytes).toBe(0);
  sent.append(5, 5, 10, []);
  expect(sent.oldest?.number).toBe(5);
});

test("refuses numbers that do not grow: that is our own fault", () => {
  const sent = new SentPackets<number>();
  sent.append(3, 0, 1, []);
  expect(() => sent.append(3, 0, 1, [])).toThrow();
});
