import { readFileSync } from "node:fs";
import { isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { expect, test } from "vitest";
import { ANSWER_HEAD_BYTES, answerBodyBytes, decodeTunnelAnswer, encodeTunnelAnswer } from "./answer-codec.ts";
import { decodePacket, encodePacket } from "./packet-codec.ts";
import { decodeTunnelRequest, encodeTunnelRequest, REQUEST_HEAD_BYTES, requestBodyBytes } from "./request-codec.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};
const CODES: readonly string[] = ["PROTOCOL_VIOLATION", "VERSION", "NOT_SUPPORTED"];

/** What `read` answers; undefined if it throws one of the documented codes, and it may throw no other. */
function refusing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isKwikError(error) && CODES.includes(error.code)) return undefined;
    throw error;
  }
}

test("requests: a target that is written as it was read, or a coded refusal", () =>
  fuzz(
    {
      corpus: corpus("requests"),
      read: (input) => {
        if (input.length < REQUEST_HEAD_BYTES) return;
        const head = input.subarray(0, REQUEST_HEAD_BYTES);
        const target = refusing(() => {
          const end = REQUEST_HEAD_BYTES + requestBodyBytes(head);
          return input.length < end ? undefined : decodeTunnelRequest(head, input.subarray(REQUEST_HEAD_BYTES, end));
        });
        if (target === undefined) return;
        const again = encodeTunnelRequest(target);
        expect(decodeTunnelRequest(again.subarray(0, REQUEST_HEAD_BYTES), again.subarray(REQUEST_HEAD_BYTES))).toEqual(target);
      },
    },
    fuzzBudget(),
  ));

test("answers: one that is written as it was read, or a coded refusal", () =>
  fuzz(
    {
      corpus: corpus("answers"),
      read: (input) => {
        if (input.length < ANSWER_HEAD_BYTES) return;
        const head = input.subarray(0, ANSWER_HEAD_BYTES);
        const body = input.subarray(ANSWER_HEAD_BYTES, ANSWER_HEAD_BYTES + answerBodyBytes(head));
        const answer = refusing(() => decodeTunnelAnswer(head, body));
        if (answer === undefined || (answer.connected && answer.bound?.port === 0)) return;
        const again = encodeTunnelAnswer(answer);
        expect(decodeTunnelAnswer(again.subarray(0, ANSWER_HEAD_BYTES), again.subarray(ANSWER_HEAD_BYTES))).toEqual(answer);
      },
    },
    fuzzBudget(),
  ));

test("datagrams: none of a tunnel, or one that is written as it was read", () =>
  fuzz(
    {
      corpus: corpus("datagrams"),
      read: (input) => {
        const read = decodePacket(input);
        if (read !== undefined) expect(decodePacket(encodePacket(read.streamId, read.packet))).toEqual(read);
      },
    },
    fuzzBudget(),
  ));
