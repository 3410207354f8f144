import { readFileSync } from "node:fs";
import { isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { makeSelfSigned } from "@kwik/trust";
import { test } from "vitest";
import { readServerCertificate } from "./server-certificate.ts";

const corpus = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as FuzzCorpus;

test("certificates: read, or INVALID_ARGUMENT, as PEM and as the bytes in it", async () => {
  const { cert } = await makeSelfSigned({ names: ["localhost"] });
  const der = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ""), "base64").toString("hex");
  await fuzz(
    {
      corpus: { ...corpus, pem: { text: cert }, der: { hex: der } },
      read: async (input) => {
        const base64 = Buffer.from(input).toString("base64");
        for (const pem of [new TextDecoder().decode(input), `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`]) {
          await readServerCertificate(pem).catch((error: unknown) => {
            if (!isKwikError(error) || error.code !== "INVALID_ARGUMENT") throw error;
          });
        }
      },
    },
    fuzzBudget(),
  );
});
