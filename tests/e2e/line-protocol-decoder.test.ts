import fc from "fast-check";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AnswerReader } from "../../examples/line-protocol/answer-reader.ts";
import { escapePayload, Unescaper } from "../../examples/line-protocol/escaping.ts";
import { type Frame, FrameDecoder, type ShortLine } from "../../examples/line-protocol/frame-decoder.ts";
import { encodeFrame } from "../../examples/line-protocol/frame-encoder.ts";
import { isItemName } from "../../examples/line-protocol/item-name.ts";
import { defaultLimits, limitTable, MAX_HEAD_BYTES } from "../../examples/line-protocol/limits.ts";
import { MemoryBudget } from "../../examples/line-protocol/memory-budget.ts";
import { payloadForms } from "../../examples/line-protocol/payload-form.ts";
import { plainChunkLength, plainObstacle } from "../../examples/line-protocol/plain-text.ts";
import { Refusal, refusalTable } from "../../examples/line-protocol/refusal.ts";
import { formatBytes, formatDuration } from "../../examples/line-protocol/quantity.ts";

const MAX_CHUNK_BYTES = 600;
const readme = readFileSync(new URL("../../examples/line-protocol/README.md", import.meta.url), "utf8");
// Bytes that mean something to the decoder come often.
const anyByte = fc.oneof(fc.constantFrom(...Buffer.from("\\\n\r|:n05")), fc.integer({ min: 0, max: 255 }));
const anyBytes = fc.array(anyByte, { maxLength: MAX_CHUNK_BYTES }).map((bytes) => Uint8Array.from(bytes));
const anyCuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });
const anyForm = fc.constantFrom(...payloadForms);
const anyFrame = fc.record({
  item: fc.string({ unit: "binary", minLength: 1, maxLength: 30 }).filter(isItemName),
  chunk: fc.nat(),
  total: fc.nat(),
  payload: anyBytes,
});

/** Pieces whose lengths are those of `cuts`, again and again. */
function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const length = cuts[i % cuts.length] as number;
    pieces.push(bytes.subarray(at, (at += length)));
  }
  return pieces;
}

function decodeAll(decoder: FrameDecoder, pieces: readonly Uint8Array[]): (Frame | ShortLine)[] {
  // A copy that is wiped afterwards: what the decoder keeps of it would be wrong.
  return pieces.flatMap((piece) => {
    const received = new Uint8Array(piece);
    const decoded = [...decoder.decode(received)];
    received.fill(0);
    return decoded;
  });
}

function codeOf(step: () => unknown): string {
  try {
    step();
    return "none";
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

test("frames of any bytes come out as they went in, however the bytes are cut, in each form (LINE-4, LINE-12, LINE-13)", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 5 }), anyForm, anyCuts, (frames, form, cuts) => {
      const sent = frames.map((frame) => {
        return form === "plain" ? { ...frame, payload: frame.payload.filter((byte) => byte !== 0x0a) } : frame;
      });
      const bytes = Buffer.concat(sent.map(({ item, chunk, total, payload }) => encodeFrame(item, chunk, total, payload, form)));
      const decoder = new FrameDecoder(MAX_CHUNK_BYTES);
      decoder.form = form;
      const expected = sent.map((frame) => ({ kind: "frame", ...frame, chunk: String(frame.chunk), total: String(frame.total) }));
      expect(decodeAll(decoder, cut(bytes, cuts))).toEqual(expected);
      expect(decoder.isInsideLine).toBe(false);
    }),
  );
});

test("a form that is chosen between two lines holds from the next line on, even if both came in one piece (LINE-9)", () => {
  const decoder = new FrameDecoder(MAX_CHUNK_BYTES);
  const seen: unknown[] = [];
  for (const received of decoder.decode(Buffer.from("SESSION|NEW\nFORM|escaped\na|0|1|x\\ny\n"))) {
    seen.push(received.kind === "line" ? received.text : Buffer.from(received.payload).toString());
    if (seen.length === 2) decoder.form = "escaped";
  }
  expect(seen).toEqual(["SESSION|NEW", "FORM|escaped", "x\ny"]);
});

test("whatever comes, a decoder refuses or goes on, and holds at most a head and a chunk (LINE-18)", () => {
  const piecesOfFrames = fc.constantFrom("a|0|1|", "\n", "3:", "999:", "|", "a".repeat(200), "\\", "\\n").map((text) => Buffer.from(text));
  fc.assert(
    fc.property(fc.array(fc.oneof(piecesOfFrames, anyBytes), { maxLength: 20 }), anyForm, (pieces, form) => {
      const decoder = new FrameDecoder(MAX_CHUNK_BYTES);
      decoder.form = form;
      codeOf(() => {
        for (const piece of pieces) {
          decodeAll(decoder, [piece]);
          expect(decoder.heldBytes).toBeLessThanOrEqual(MAX_HEAD_BYTES + MAX_CHUNK_BYTES);
        }
      });
    }),
  );
});

test("single bytes of a large chunk do not cost more memory than the chunk (LINE-18)", () => {
  const decoder = new FrameDecoder(MAX_CHUNK_BYTES);
  for (const byte of Buffer.from(`a|0|1|${"x".repeat(MAX_CHUNK_BYTES)}`)) decodeAll(decoder, [Uint8Array.of(byte)]);
  expect(decoder.heldBytes).toBe(MAX_HEAD_BYTES + MAX_CHUNK_BYTES);
  expect(decodeAll(decoder, [Buffer.from("\n")])).toHaveLength(1);
  expect(decoder.heldBytes).toBe(MAX_HEAD_BYTES);
});

test.each([
  ["plain", `a|0|1|${"x".repeat(MAX_CHUNK_BYTES + 1)}`, "CHUNK_TOO_LARGE"],
  ["escaped", `a|0|1|${"\\n".repeat(MAX_CHUNK_BYTES)}\n`, "none"],
  ["escaped", `a|0|1|${"\\n".repeat(MAX_CHUNK_BYTES + 1)}`, "CHUNK_TOO_LARGE"],
  ["escaped", "a|0|1|\\x\n", "BAD_ESCAPE"],
  ["escaped", "a|0|1|x\\\n", "BAD_ESCAPE"],
  ["length", `a|0|1|${MAX_CHUNK_BYTES + 1}:`, "CHUNK_TOO_LARGE"],
  ["length", "a|0|1|01:x\n", "BAD_LENGTH"],
  ["length", "a|0|1|:x\n", "BAD_LENGTH"],
  ["length", "a|0|1|hello", "BAD_LENGTH"],
  ["length", "a|0|1|2:xyz", "BAD_LENGTH"],
  ["plain", "x".repeat(MAX_HEAD_BYTES + 1), "LINE_TOO_LONG"],
] as const)("in %s form %j gives %s", (form, text, code) => {
  const decoder = new FrameDecoder(MAX_CHUNK_BYTES);
  decoder.form = form;
  expect(codeOf(() => decodeAll(decoder, [Buffer.from(text)]))).toBe(code);
});

test("escaping is undone piece by piece, and leaves no line feed and no carriage return (LINE-12)", () => {
  fc.assert(
    fc.property(anyBytes, anyCuts, (payload, cuts) => {
      const escaped = escapePayload(payload);
      expect(escaped.includes(0x0a) || escaped.includes(0x0d)).toBe(false);
      const unescaper = new Unescaper();
      const pieces = cut(escaped, cuts).map((piece) => unescaper.unescape(piece));
      expect(Buffer.concat(pieces).equals(payload)).toBe(true);
      expect(unescaper.isInsideEscape).toBe(false);
    }),
  );
});

test("text is cut between characters, so that each plain chunk is text by itself (LINE-11)", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), fc.integer({ min: 4, max: 9 }), (text, chunkBytes) => {
      const bytes = Buffer.from(text.replaceAll(/[\n\r\0]/g, "_"));
      const chunks: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const chunk = bytes.subarray(at, at + chunkBytes);
        const length = plainChunkLength(chunk);
        expect(plainObstacle(chunk.subarray(0, length))).toBeUndefined();
        chunks.push(chunk.subarray(0, length).toString());
        at += length;
      }
      expect(chunks.join("")).toBe(bytes.toString());
    }),
  );
  expect(plainObstacle(Buffer.from("a\nb"))).toBe("a line feed");
  expect(plainObstacle(Uint8Array.of(0xff))).toBe("bytes that are no UTF-8 text");
});

test.each(["a", "film.mp4", "Übung 1.txt", "-rf", "SESSION", "x".repeat(128)])("an item may be called %j (LINE-5)", (name) => {
  expect(isItemName(name)).toBe(true);
});

test.each([
  ...[
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:x",
    ".profile",
    "a.",
    "a ",
    "nul",
    "COM1.txt",
    "a\u0000b",
    "a\tb",
    "a\u001b[2J",
  ],
  ...["x".repeat(129), "é".repeat(65), "a\u202eb", "a\uFFFDb", "a|b", "what?", "a\u2028b"],
])("an item may not be called %j (LINE-5)", (name) => {
  expect(isItemName(name)).toBe(false);
});

test("answers come out whole, however the bytes are cut; what is no answer is refused", () => {
  const lines = `SESSION|12-forms\nFORM|length\nOK|a b|3|${"0".repeat(64)}\nDUPLICATE|x|4\nERROR|EXISTS|x|why|so\nERROR|NEW_ONE|text\nhi\n`;
  fc.assert(
    fc.property(anyCuts, (cuts) => {
      const reader = new AnswerReader();
      expect(cut(Buffer.from(lines), cuts).flatMap((piece) => [...reader.read(piece)])).toEqual([
        { kind: "session", id: "12-forms" },
        { kind: "form", form: "length" },
        { kind: "ok", item: "a b", bytes: 3, sha256: "0".repeat(64) },
        { kind: "duplicate", item: "x" },
        { kind: "error", code: "EXISTS", item: "x", ends: false, text: "why|so" },
        { kind: "error", code: "NEW_ONE", item: undefined, ends: true, text: "text" },
        { kind: "unknown", line: "hi" },
      ]);
    }),
  );
  expect(() => [...new AnswerReader().read(new Uint8Array(2_000).fill(0x61))]).toThrow("something else");
});

test("a budget that is full below or above takes nothing, and wakes who waits when bytes come back (LINE-18)", async () => {
  const server = new MemoryBudget(100);
  const one = new MemoryBudget(80, server);
  const two = new MemoryBudget(80, server);
  expect(one.take(70)).toBeUndefined();
  expect(one.take(20)).toBe(one);
  expect(two.take(40)).toBe(server);
  expect([one.heldBytes, two.heldBytes, server.heldBytes]).toEqual([70, 0, 70]);
  const written = Promise.withResolvers<string>();
  const leaving = one.giveBackAfter(70, written.promise);
  expect(server.willShrink).toBe(true);
  const room = server.shrunk();
  written.reject(new Error("disk"));
  await expect(leaving).rejects.toThrow("disk");
  await room;
  expect(two.take(40)).toBeUndefined();
  expect([one.heldBytes, server.heldBytes, server.mostHeldBytes, server.willShrink]).toEqual([0, 40, 70, false]);
});

test("the README has every error answer and every limit as the code has them (LINE-17)", () => {
  for (const [code, row] of Object.entries(refusalTable)) {
    expect(readme).toContain(`\nERROR|${code}|${row.namesItem ? "<item>|" : ""}${row.text}\n`);
    const isAbove = readme.indexOf(`\nERROR|${code}|`, readme.indexOf("\n## Errors")) < readme.indexOf("After these it goes on");
    expect(isAbove, code).toBe(row.ends);
    expect(new Refusal(code as keyof typeof refusalTable, row.namesItem ? "x" : undefined).line(defaultLimits)).not.toMatch(
      /[{}]|NaN|undefined/,
    );
  }
  for (const { name, flag, unit, byDefault, bounds } of limitTable) {
    const shown = unit === "bytes" ? formatBytes(byDefault) : unit === "time" ? formatDuration(byDefault) : String(byDefault);
    expect(readme).toContain(`\n| \`${name}\` | \`--${flag}\` | ${shown} | ${bounds} |\n`);
  }
});
