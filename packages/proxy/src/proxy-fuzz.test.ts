import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { expect, test } from "vitest";
import { parseBind, parseForward } from "./forward.ts";
import { endToEndHeaders } from "./hop-headers.ts";
import { encodeSocksDatagram, parseGreeting, parsePassword, parseSocksDatagram, parseSocksRequest } from "./socks5-codec.ts";
import type { Parsed } from "./socket-reader.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};

/** What `read` answers, or the code that it throws, which has to be `code`. */
function outcomeOf<T>(code: string, read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (isKwikError(error) && error.code === code) return code;
    throw error;
  }
}

test("messages of SOCKS: more is needed, a coded refusal, or one whose length is right, whatever follows it", () => {
  const parsers: readonly ((bytes: Uint8Array) => Parsed<unknown>)[] = [parseGreeting, parsePassword, parseSocksRequest];
  return fuzz(
    {
      corpus: corpus("socks"),
      read: (input) => {
        for (const parse of parsers) {
          const read = outcomeOf("PROTOCOL_VIOLATION", () => parse(input));
          if (read === undefined || typeof read === "string") continue;
          expect(read.bytes).toBeLessThanOrEqual(input.length);
          expect(parse(input.subarray(0, read.bytes))).toEqual(read);
          // A reader asks again with each byte that comes: none of the earlier answers may be another one.
          for (let length = 0; length < Math.min(read.bytes, 60); length += 1) {
            const earlier = outcomeOf("PROTOCOL_VIOLATION", () => parse(input.subarray(0, length)));
            // An address of a type that is not known has no end; what is there is all that there will be.
            if (earlier !== undefined) expect(read.value).toHaveProperty("address", undefined);
          }
        }
      },
    },
    fuzzBudget(),
  );
});

test("datagrams of SOCKS: none, or one that is written as it was read", () =>
  fuzz(
    {
      corpus: corpus("datagrams"),
      read: (input) => {
        const read = parseSocksDatagram(input);
        if (read === undefined || (!isIPv6(read.address.host) && read.address.host.includes(":"))) return;
        const again = parseSocksDatagram(encodeSocksDatagram(read.address, read.payload));
        expect(again?.address).toEqual(read.address);
        expect(Buffer.from(again?.payload ?? [])).toEqual(Buffer.from(read.payload));
      },
    },
    fuzzBudget(),
  ));

test("forwards and places to listen: one, or INVALID_ARGUMENT", () =>
  fuzz(
    {
      corpus: corpus("forwards"),
      read: (input) => {
        const text = new TextDecoder().decode(input);
        outcomeOf("INVALID_ARGUMENT", () => parseForward(text));
        outcomeOf("INVALID_ARGUMENT", () => parseBind(text));
      },
    },
    fuzzBudget(),
  ));

test("headers that go on are some of those that came, without those of one hop", () =>
  fuzz(
    {
      corpus: corpus("headers"),
      read: (input) => {
        const lines = new TextDecoder("latin1").decode(input).split("\n");
        const raw = lines.flatMap((line) => [line.split(":")[0] ?? "", line.slice(line.indexOf(":") + 1)]);
        const kept = endToEndHeaders(raw, ["host"]);
        expect(kept.length % 2).toBe(0);
        const names = kept.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
        for (const hop of ["connection", "transfer-encoding", "proxy-authorization", "host", "upgrade"]) expect(names).not.toContain(hop);
        for (const name of names) expect(raw.map((text) => text.toLowerCase())).toContain(name);
      },
    },
    fuzzBudget(),
  ));
