import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_LINE_BYTES } from "./file-protocol.ts";
import { LineReader } from "./line-reader.ts";

function cut(text: string, cuts: readonly number[]): { read(): Promise<Uint8Array | null> } {
  const bytes = new TextEncoder().encode(text);
  const at = [...new Set(cuts.map((one) => one % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces = [...at, bytes.length].map((end, index) => bytes.slice(at[index - 1] ?? 0, end));
  return { read: () => Promise.resolve(pieces.shift() ?? null) };
}

test("finds the same lines and the same rest however the bytes are cut", async () => {
  const letters = fc.string({ maxLength: 12 }).map((text) => text.replaceAll("\n", ""));
  await fc.assert(
    fc.asyncProperty(
      fc.array(letters, { minLength: 1, maxLength: 5 }),
      letters,
      fc.array(fc.nat(200), { maxLength: 8 }),
      async (lines, rest, cuts) => {
        const reader = new LineReader(cut(`${lines.join("\n")}\n${rest}`, cuts));
        for (const line of lines) expect(await reader.line()).toBe(line);
        let found = "";
        const decoder = new TextDecoder();
        for (let data = await reader.read(); data !== null; data = await reader.read()) found += decoder.decode(data, { stream: true });
        expect(found).toBe(rest);
        expect(await reader.line()).toBeUndefined();
      },
    ),
  );
});

test("refuses a line without end instead of keeping it", async () => {
  const reader = new LineReader({ read: () => Promise.resolve(new Uint8Array(10_000).fill(0x61)) });
  await expect(reader.line()).rejects.toThrow(`longer than ${MAX_LINE_BYTES}`);
});
