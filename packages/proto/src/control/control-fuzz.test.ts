import { readFileSync } from "node:fs";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { encodeEnvelope } from "./control-codec.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { byteFieldsOf, decodeAll, framed } from "./decode-all.fixture.ts";

const corpus = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as FuzzCorpus;

test("envelopes: the same from any bytes, whole or cut, or a coded failure; and what was read is written so that it is read again", () =>
  fuzz(
    {
      corpus,
      read: (input, cut) => {
        // With a length that fits too, else most inputs end at it.
        for (const bytes of [input, framed(input)]) {
          const whole = decodeAll(bytes);
          const cuts = cut.map((length, index) => Math.min(bytes.length, length * (index + 1)));
          const again = decodeAll(bytes, cuts);
          expect(again.envelopes).toEqual(whole.envelopes);
          expect(again.problem?.code).toBe(whole.problem?.code);
          if (whole.problem !== undefined) expect([ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE]).toContain(whole.problem.code);
          for (const data of byteFieldsOf([whole.envelopes, again.envelopes])) expect(data.buffer.byteLength).toBe(data.length);
          for (const envelope of whole.envelopes) expect(decodeAll(encodeEnvelope(EVERY_MESSAGE, envelope)).envelopes).toEqual([envelope]);
        }
      },
    },
    fuzzBudget(),
  ));
