import fc from "fast-check";
import { expect, test } from "vitest";
import { SeenStreams } from "./seen-streams.ts";

test("says of each number once that it is new, in any order", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 120 }), (sequence) => {
      const seen = new SeenStreams();
      const oracle = new Set<number>();
      for (const number of sequence) {
        expect(seen.add(number)).toBe(!oracle.has(number));
        oracle.add(number);
      }
    }),
  );
});
