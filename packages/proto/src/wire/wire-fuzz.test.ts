import { readFileSync } from "node:fs";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import { expect, test } from "vitest";
import { ErrorCode, type ProtocolFailure } from "../base/error-codes.ts";
import { decodeLinkDatagram, encodeLinkDatagram } from "./link-datagram.ts";
import { PacketDecoder } from "./packet-decoder.ts";
import { PipeDecoder } from "./pipe-record.ts";
import { PreambleReader } from "./preamble.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};

const LIMITS = { maxPacketBytes: 20_000, maxRawBytes: 500, maxDatagramBytes: 1_500 };
/** What the decoder may keep of an input that is cut: the largest body that is delivered whole, or a packet to be verified, and its head. */
const MOST_HELD_BYTES = LIMITS.maxPacketBytes + 32;
const CODES: readonly number[] = [ErrorCode.FRAME_ENCODING, ErrorCode.TOO_LARGE, ErrorCode.CHECKSUM_MISMATCH];

type Call = unknown[];

/** Writes down what a decoder tells; pieces of the same bytes that follow each other are one. */
function logOf(calls: Call[]): never {
  const method =
    (_: object, name: string) =>
    (...values: unknown[]): undefined => {
      const call = [
        name,
        ...values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : structuredClone(value))),
      ];
      const last = calls.at(-1);
      const dataAt = call.findIndex((value, index) => index > 0 && values[index - 1] instanceof Uint8Array && value === call[index]);
      if (last !== undefined && isContinued(last, call, dataAt)) {
        last[dataAt] = String(last[dataAt]) + String(call[dataAt]);
        if (call[dataAt + 1] !== undefined) last[dataAt + 1] = call[dataAt + 1];
      } else calls.push(call);
      return undefined;
    };
  return new Proxy({}, { get: method }) as never;
}

/** Whether a call brings the next bytes of what the last one brought: streams and ranges say the offset, carriers of a pipe have none. */
function isContinued(last: Call, call: Call, dataAt: number): boolean {
  const [name, id, offset] = call;
  if (last[0] !== name || last[1] !== id || dataAt < 0) return false;
  if (name === "pipeData") return true;
  const isData = name === "streamData" || name === "rangeData";
  return isData && last[4] !== true && offset === (last[2] as number) + (last[3] as string).length / 2;
}

interface Outcome {
  readonly calls: Call[];
  readonly code: number | undefined;
}

function decodePackets(input: readonly Uint8Array[], requireChecksum: boolean): Outcome {
  const calls: Call[] = [];
  const decoder = new PacketDecoder(logOf(calls), { ...LIMITS, requireChecksum });
  let failure: ProtocolFailure | undefined;
  for (const piece of input) {
    failure = decoder.push(piece);
    expect(decoder.heldBytes).toBeLessThanOrEqual(MOST_HELD_BYTES);
  }
  return { calls, code: failure?.code };
}

test("packets: the same is told of any bytes, whole or cut, or a coded failure", () =>
  fuzz(
    {
      corpus: corpus("packets"),
      read: (input, cut) => {
        for (const requireChecksum of [false, true]) {
          const whole = decodePackets([input], requireChecksum);
          expect(decodePackets(pieces(input, cut), requireChecksum)).toEqual(whole);
          if (whole.code !== undefined) expect(CODES).toContain(whole.code);
        }
      },
    },
    fuzzBudget(),
  ));

test("records of a pipe: the same is told of any bytes, whole or cut, or a coded failure", () => {
  const decode = (input: readonly Uint8Array[]): Outcome => {
    const calls: Call[] = [];
    const decoder = new PipeDecoder(logOf(calls));
    let code: number | undefined;
    for (const piece of input) code = decoder.push(piece)?.code;
    return { calls, code };
  };
  return fuzz(
    {
      corpus: corpus("pipe"),
      read: (input, cut) => {
        const whole = decode([input]);
        expect(decode(pieces(input, cut))).toEqual(whole);
        if (whole.code !== undefined) expect(CODES).toContain(whole.code);
      },
    },
    fuzzBudget(),
  );
});

test("preambles: a kind, more, or a coded failure, whole or cut", () => {
  const decode = (input: readonly Uint8Array[]): unknown => {
    const reader = new PreambleReader();
    for (const [index, piece] of input.entries()) {
      const outcome = reader.push(piece);
      if (outcome === undefined) continue;
      return "code" in outcome ? outcome.code : { kind: outcome.kind, rest: Buffer.concat([outcome.rest, ...input.slice(index + 1)]) };
    }
    return undefined;
  };
  return fuzz(
    { corpus: corpus("preambles"), read: (input, cut) => expect(decode(pieces(input, cut))).toEqual(decode([input])) },
    fuzzBudget(),
  );
});

test("datagrams of a link: none, or one that is written as it was read", () =>
  fuzz(
    {
      corpus: corpus("datagrams"),
      read: (input) => {
        const read = decodeLinkDatagram(input);
        if (read !== undefined) expect(decodeLinkDatagram(encodeLinkDatagram(read.number, read.data))).toEqual(read);
      },
    },
    fuzzBudget(),
  ));

test("UTF-8: any bytes are the text that the platform reads", () =>
  fuzz(
    {
      corpus: corpus("utf8"),
      read: (input) => {
        const text = decodeUtf8(input);
        expect(text).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(input));
        expect(decodeUtf8(encodeUtf8(text))).toBe(text);
      },
    },
    fuzzBudget(),
  ));
