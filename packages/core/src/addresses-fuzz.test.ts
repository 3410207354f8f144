import { readFileSync } from "node:fs";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { expect, test } from "vitest";
import { isKwikError } from "./api/errors.ts";
import { AddressRange } from "./policy/address-range.ts";
import { checkAddress, checkResolved, isPrivateHost } from "./policy/address-policy.ts";
import { replacementText } from "./server/replacement-text.ts";
import { isSessionPublicKey, SessionKey, verifySignature } from "./session-key/session-key.ts";
import { formatAddress, parseAddress } from "./transport/address.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};

function unlessInvalid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isKwikError(error) && error.code === "INVALID_ARGUMENT") return undefined;
    throw error;
  }
}

test("addresses and replacements: one that reads as it is written, or INVALID_ARGUMENT", () =>
  fuzz(
    {
      corpus: corpus("addresses"),
      read: (input) => {
        const text = new TextDecoder().decode(input);
        const address = unlessInvalid(() => parseAddress(text));
        if (address !== undefined) expect(parseAddress(formatAddress(address))).toEqual(address);
        const replacement = unlessInvalid(() => replacementText(text));
        if (replacement !== undefined) expect(replacementText(replacement)).toBe(replacement);
      },
    },
    fuzzBudget(),
  ));

test("ranges of `proxies`: one that contains its own first address, or INVALID_ARGUMENT", () =>
  fuzz(
    {
      corpus: { ...corpus("addresses"), v4: { text: "10.0.0.0/8" }, v6: { text: "2001:db8::/32" }, one: { text: "127.0.0.1" } },
      read: (input) => {
        const text = new TextDecoder().decode(input);
        const range = unlessInvalid(() => AddressRange.parse(text));
        if (range === undefined) return;
        expect(range.contains(text.trim().replace(/\/.*$/, ""))).toBe(true);
        range.contains(text);
      },
    },
    fuzzBudget(),
  ));

test("what a server advertises: a verdict, never an exception; an address that the system takes for one of the loopback or a metadata service is refused", () => {
  const policy = { primaryIsPrivate: false, allowPrivateAddresses: false };
  return fuzz(
    {
      corpus: corpus("addresses"),
      read: (input) => {
        const text = new TextDecoder().decode(input);
        const verdict = checkAddress(text, policy);
        checkResolved([text], policy);
        isPrivateHost(text);
        if (!verdict.allowed || verdict.mustResolve) return;
        // The URL parser reads numbers as operating systems do, and is none of ours.
        const { host } = parseAddress(text);
        const url = `http://${host.includes(":") ? `[${host.replace(/%.*$/, "")}]` : host}/`;
        const shown = URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : "";
        expect(shown).not.toMatch(/^(127\.|10\.|0\.|192\.168\.|169\.254\.|::1?$|fe[89ab].:|f[cd]..:)/);
      },
    },
    fuzzBudget(),
  );
});

test("session keys and signatures of strangers are refused, not thrown at", async () => {
  const key = await SessionKey.create();
  const spki = key.publicKey;
  const data = new Uint8Array(32);
  const signature = await key.sign(data);
  await fuzz(
    {
      corpus: {
        ...corpus("keys"),
        key: { hex: Buffer.from(spki).toString("hex") },
        signature: { hex: Buffer.from(signature).toString("hex") },
      },
      read: async (input) => {
        isSessionPublicKey(input);
        const isSignature = Buffer.from(input).equals(signature);
        expect(await verifySignature(spki, data, input)).toBe(isSignature);
        if (!Buffer.from(input).equals(spki)) expect(await verifySignature(input, data, signature)).toBe(false);
      },
    },
    fuzzBudget(),
  );
});
