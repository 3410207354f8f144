import { readFileSync } from "node:fs";
import { webRules } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import { expect, test } from "vitest";
import { CapsuleReader } from "./capsules.ts";
import { FakePort } from "./fake-port.fixture.ts";
import { Http3Connection } from "./http3-connection.ts";
import { Http3Code, Http3Failure } from "./http3-failure.ts";
import { decodeFieldSection, encodeFieldSection } from "./qpack/field-section.ts";
import { DecoderInstructions, EncoderInstructions } from "./qpack/peer-instructions.ts";
import { decodeSettings, MAX_FIELD_SECTION_BYTES } from "./settings.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};
const CODES = new Set<number>(Object.values(Http3Code));

/** What `read` answers, or the code of the failure that it throws; it may throw no other. */
function outcomeOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof Http3Failure && CODES.has(error.code)) return { code: error.code };
    throw error;
  }
}

const printable = /^[\x20-\x7e]*$/;

test("field sections: fields that can be written again, too many, or a coded failure", () =>
  fuzz(
    {
      corpus: corpus("fields"),
      read: (input) => {
        const fields = outcomeOf(() => decodeFieldSection(input, MAX_FIELD_SECTION_BYTES));
        if (!Array.isArray(fields) || !fields.flat().every((text) => printable.test(text as string))) return;
        expect(decodeFieldSection(encodeFieldSection(fields), MAX_FIELD_SECTION_BYTES)).toEqual(fields);
      },
    },
    fuzzBudget(),
  ));

test("settings: values, or a coded failure", () =>
  fuzz({ corpus: corpus("settings"), read: (input) => outcomeOf(() => decodeSettings(input)) }, fuzzBudget()));

test("capsules and QPACK's own streams: the same from any bytes, whole or cut, or a coded failure", () => {
  const readers = [
    (ends: unknown[]) => new CapsuleReader((end) => ends.push(end)),
    () => new EncoderInstructions(),
    () => new DecoderInstructions(),
  ];
  return fuzz(
    {
      corpus: corpus("capsules"),
      read: (input, cut) => {
        for (const make of readers) {
          const run = (parts: readonly Uint8Array[]): unknown => {
            const ends: unknown[] = [];
            const reader = make(ends);
            const failure = outcomeOf(() => {
              for (const part of parts) reader.push(part);
            });
            return { ends, failure };
          };
          expect(run(pieces(input, cut))).toEqual(run([input]));
        }
      },
    },
    fuzzBudget(),
  );
});

/** Streams that a client may use: requests, and its unidirectional ones. */
const STREAMS = [0, 4, 8, 2, 6, 10, 14, 18] as const;

/** Plays an input: again and again a stream and whether it ends there (one byte), a length (one byte), and what comes on it. */
function play(input: Uint8Array, cut: readonly number[]): FakePort {
  const port = new FakePort();
  const rules = webRules();
  new Http3Connection(port, {
    ...rules,
    onLink: (link) =>
      link.attach({
        onCarrier: (carrier) => void (carrier.receiver = { onData: () => undefined, onEnd: () => undefined }),
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      }),
  });
  const ended = new Set<number>();
  for (let at = 0; at + 1 < input.length && port.closed === undefined; ) {
    const [head, length] = [input[at] as number, input[at + 1] as number];
    const bytes = input.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    const id = STREAMS[head & 7] as number;
    if (ended.has(id)) continue;
    for (const piece of pieces(bytes, cut)) if (port.closed === undefined) port.receive(id, piece);
    if ((head & 8) === 0 || port.closed !== undefined) continue;
    ended.add(id);
    port.receive(id, [], true);
  }
  return port;
}

test("an HTTP/3 connection ends with a coded failure or goes on, whatever its client sends, whole or cut", () =>
  fuzz(
    {
      corpus: corpus("connections"),
      read: (input, cut) => {
        const [whole, inPieces] = [play(input, [100_000]), play(input, cut)];
        expect(inPieces.closed?.code).toBe(whole.closed?.code);
        if (whole.closed !== undefined) expect(CODES).toContain(whole.closed.code);
      },
    },
    fuzzBudget(),
  ));
