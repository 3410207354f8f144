import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import { expect, test } from "vitest";
import { contentIdOf, parseContentId } from "./origin/content-id.ts";
import { parseContentRange } from "./origin/content-range.ts";
import { HeadReader } from "./origin/head-reader.ts";
import { proxyHeader } from "./proxy-protocol.ts";
import { kindOfAddress, parseTargetRule } from "./target-rule.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;

test("rules of targets: one that reads itself again, or INVALID_ARGUMENT; the unspecified and metadata addresses are on none that is a range or a name", () =>
  fuzz(
    {
      corpus: corpora["rules"] ?? {},
      read: (input) => {
        const text = new TextDecoder().decode(input);
        let rule: ReturnType<typeof parseTargetRule>;
        try {
          rule = parseTargetRule(text);
        } catch (error) {
          if (isKwikError(error) && error.code === "INVALID_ARGUMENT") return;
          throw error;
        }
        expect(parseTargetRule(rule.text).ports).toEqual(rule.ports);
        expect(rule.ports.from).toBeGreaterThan(0);
        expect(rule.ports.to).toBeLessThanOrEqual(65_535);
        for (const ip of ["169.254.169.254", "0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"]) {
          if (!text.includes(ip)) expect(rule.matchesAddress(ip, kindOfAddress(ip)) && ip !== exactOf(text)).toBe(false);
        }
      },
    },
    fuzzBudget(),
  ));

/** The one address that a rule may name in another notation. */
function exactOf(text: string): string | undefined {
  const host = /\[([^\]]+)\]/.exec(text)?.[1] ?? "";
  return URL.canParse(`http://[${host}]`) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : undefined;
}

test("PROXY headers are as long as they say and have both addresses, whoever the client is said to be", () =>
  fuzz(
    {
      corpus: corpora["sources"] ?? {},
      read: (input) => {
        const [host = "", port = ""] = new TextDecoder("latin1").decode(input).split(" ");
        // It is where a connection came from: always an address.
        if (isIP(host) === 0) return;
        const source = { host, port: Number(port) & 0xffff };
        const header = proxyHeader(source, { host: "192.0.2.9", port: 443 });
        expect(Buffer.from(header.subarray(0, 12)).toString("hex")).toBe("0d0a0d0a000d0a515549540a");
        const view = new DataView(header.buffer, header.byteOffset);
        expect(view.getUint16(14)).toBe(header.length - 16);
        // LOCAL without addresses, or PROXY with those of TCP over IPv4 or IPv6.
        expect([
          [0x20, 0x00, 0],
          [0x21, 0x11, 12],
          [0x21, 0x21, 36],
        ]).toContainEqual([header[12], header[13], header.length - 16]);
      },
    },
    fuzzBudget(),
  ));

test("content ids that clients ask for: nothing, or a target, a host and a path without a blank or a line in them, that write the same id again", () =>
  fuzz(
    {
      corpus: corpora["contents"] ?? {},
      read: (input) => {
        const id = new TextDecoder().decode(input);
        const name = parseContentId(id);
        if (name === undefined) return;
        expect(contentIdOf(name)).toBe(id);
        expect(`${name.target}${name.host}${name.path}`).toMatch(/^[\x21-\x7e]*$/);
        expect(name.path.startsWith("/")).toBe(true);
      },
    },
    fuzzBudget(),
  ));

test("ranges that origins say they send: none, or one that lies inside its total and is written the same way again", () =>
  fuzz(
    {
      corpus: {
        one: { text: "bytes 0-9/20" },
        unknown: { text: "bytes 0-9/*" },
        none: { text: "bytes */20" },
        backwards: { text: "bytes 9-0/20" },
        long: { text: "bytes 000000000000001-000000000000002/900719925474099" },
      },
      read: (input) => {
        const header = Buffer.from(input).toString("latin1");
        const range = parseContentRange(header);
        if (range === undefined) return;
        const { from, to, total } = range;
        expect(0 <= from && from <= to && to < total && Number.isSafeInteger(total)).toBe(true);
        expect(`bytes ${from}-${to}/${total}`).toBe(header.toLowerCase().replace(/\b0+(?=\d)/g, ""));
      },
    },
    fuzzBudget(),
  ));

test("heads that origins send end where their empty line ends, however they are cut, and beyond the limit nowhere", () => {
  const maxBytes = 64;
  const headOf = (parts: readonly Uint8Array[]): string | undefined => {
    const reader = new HeadReader(maxBytes);
    for (const part of parts) {
      const taken = reader.take(part);
      if (taken === "too-long") return "too long";
      if (taken !== undefined) return Buffer.from(reader.clear()).toString("latin1");
    }
    return undefined;
  };
  return fuzz(
    {
      corpus: {
        whole: { text: "HTTP/1.1 206 Partial Content\r\n\r\nbody" },
        almost: { text: "a\r\n\r\r\n\r\r\n\r\n" },
        long: { text: `${"x".repeat(70)}\r\n\r\n` },
      },
      read: (input, cut) => {
        const text = Buffer.from(input).toString("latin1");
        const end = text.indexOf("\r\n\r\n");
        const expected = end < 0 ? undefined : text.slice(0, end + 4);
        const isLong = (expected ?? text).length > maxBytes;
        expect(headOf(pieces(input, cut))).toBe(isLong ? "too long" : expected);
        expect(headOf([input])).toBe(isLong ? "too long" : expected);
      },
    },
    fuzzBudget(),
  );
});
