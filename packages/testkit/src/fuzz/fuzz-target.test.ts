import { expect, test } from "vitest";
import { fuzz, pieces } from "./fuzz-target.ts";

const CORPUS = { greeting: { text: "kwik 1 hello" }, bytes: { hex: "00ff" } };

test("an input that breaks a promise is found, made small, and printed so that it can be kept", async () => {
  const read = (input: Uint8Array): void => {
    if (input.includes(0x80)) throw new RangeError("a wild byte");
  };
  await expect(fuzz({ corpus: CORPUS, read }, { ms: 20_000, seed: 1 })).rejects.toThrow(
    /"WHAT IT SHOWS": \{ "hex": "[0-9a-f]*80[0-9a-f]*" \}[\s\S]*a wild byte/,
  );
});

test("a kept input that breaks a promise is named", async () => {
  const read = (input: Uint8Array): void => {
    if (input.length === 2) throw new Error("of two bytes");
  };
  await expect(fuzz({ corpus: CORPUS, read }, { ms: 0 })).rejects.toThrow('the kept input "bytes"');
});

test("most inputs are near those that are kept, and asynchronous readers are waited for", async () => {
  let near = 0;
  const read = async (input: Uint8Array): Promise<void> => {
    await Promise.resolve();
    if (Buffer.from(input).toString("latin1").includes("kwik")) near += 1;
  };
  const { kept, made } = await fuzz({ corpus: CORPUS, read }, { ms: 200, seed: 1 });
  expect(kept).toBe(2);
  expect(made).toBeGreaterThan(10);
  expect(near).toBeGreaterThan(made / 10);
});

test("pieces are as long as the cuts say, in turns, and none is empty", () => {
  const lengths = (bytes: number, cut: readonly number[]): number[] => pieces(new Uint8Array(bytes), cut).map((piece) => piece.length);
  expect(lengths(10, [3, 1])).toEqual([3, 1, 3, 1, 2]);
  expect(lengths(3, [0])).toEqual([1, 1, 1]);
  expect(lengths(0, [5])).toEqual([]);
});

test("a target without any kept input is a mistake", async () => {
  await expect(fuzz({ corpus: {}, read: () => undefined }, { ms: 0 })).rejects.toThrow("without a kept input");
});
