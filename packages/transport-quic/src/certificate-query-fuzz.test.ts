import { fuzz, fuzzBudget, pieces } from "@kwik/testkit";
import { expect, test } from "vitest";
import { queryAnswer } from "./certificate-query.ts";
import { PlayedLink } from "./played-link.fixture.ts";

const LENGTH_BYTES = 4;

/** The chain that was shown, or the code of what went wrong, where the query ends after these bytes. */
async function outcomeOf(parts: readonly Uint8Array[]): Promise<string> {
  const link = new PlayedLink();
  const asked = link.ask();
  for (const part of parts) link.carrier.receiver?.onData(part);
  link.carrier.receiver?.onEnd();
  return asked.then(
    (chain) => `chain ${chain}`,
    (error: unknown) => (error as { code: string }).code,
  );
}

test("answers to a query for a certificate: a chain of the length that was said, or NOT_KWIK, the same however the bytes come", () =>
  fuzz(
    {
      corpus: {
        chain: { hex: Buffer.from(queryAnswer("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")).toString("hex") },
        empty: { hex: "00000000" },
        short: { hex: "000000054b57" },
        more: { hex: "000000024b57494b" },
        large: { hex: "0001000141" },
        huge: { hex: "ffffffff" },
      },
      read: async (input, cut) => {
        const length = input.length < LENGTH_BYTES ? undefined : Buffer.from(input).readUInt32BE(0);
        const isChain = length !== undefined && length <= 64 * 1024 && input.length === LENGTH_BYTES + length;
        const whole = isChain ? `chain ${Buffer.from(input).toString("latin1", LENGTH_BYTES)}` : "NOT_KWIK";
        expect(await outcomeOf([input])).toBe(whole);
        const inPieces = await outcomeOf(pieces(input, cut));
        // A chain that is whole is taken at once: more of it may come too late to be seen.
        if (inPieces.startsWith("chain ")) expect(input.length).toBeGreaterThanOrEqual(LENGTH_BYTES + (length ?? 0));
        else expect(inPieces).toBe(whole);
      },
    },
    fuzzBudget(),
  ));
