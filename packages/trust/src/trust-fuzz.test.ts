import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isIdentity, isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { type CompactJWSHeaderParameters, CompactSign } from "jose";
import { afterAll, expect, test } from "vitest";
import { hasAuthorityVoucher } from "./authority-voucher.ts";
import { loadClusterFile } from "./cluster-file.ts";
import { initCluster, issueServer } from "./cluster.ts";
import { mintTicket, TicketVerifier } from "./join-ticket.ts";
import { readRevocationList, signRevocationList } from "./revocation-list.ts";
import { trustAnchorFor, trustAnchorUnder } from "./trust-anchor.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};
const folder = mkdtempSync(join(tmpdir(), "kwik-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NOW_MS = Date.UTC(2026, 0, 1);
const SERVER = `sha256:${"5".repeat(64)}`;
const CLIENT_KEY = `sha256:${"c".repeat(64)}`;
const SESSION = "0123456789abcdef0123456789abcdef";

/** Does the work; rejects for an error of another code. */
async function unless(code: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isKwikError(error) || error.code !== code) throw error;
  }
}

/** Rejects for an error of another code. */
async function refuses(code: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isKwikError(error) || error.code !== code) throw error;
    return;
  }
  throw new Error(`it was not refused with ${code}`);
}

test("tickets: none but the very one that was signed is accepted, the others are TICKET_REFUSED", async () => {
  const keys = generateKeyPairSync("ed25519");
  const pem = (key: { export(options: object): unknown }, type: string): string => key.export({ type, format: "pem" }) as string;
  const signing = pem(keys.privateKey, "pkcs8");
  const claims = { session: SESSION, path: 3, member: 2, server: SERVER, clientKey: CLIENT_KEY };
  const ticket = await mintTicket(signing, claims, 30_000, NOW_MS);
  const others = {
    another: await mintTicket(signing, { ...claims, path: 4 }, 30_000, NOW_MS),
    old: await mintTicket(signing, claims, 30_000, NOW_MS - 900_000),
  };
  const [header = "", payload = "", signature = ""] = ticket.split(".");
  const unsigned = `${Buffer.from('{"alg":"none","typ":"kwik-join+jwt"}').toString("base64url")}.${payload}.`;
  const texts = { ticket, ...others, unsigned, headless: `.${payload}.${signature}`, twice: `${header}.${header}.${signature}` };
  const expected = { sessionId: SESSION, pathId: 3, memberId: 2, clientKeyThumbprint: CLIENT_KEY };
  await fuzz(
    {
      corpus: { ...corpus("tickets"), ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, { text }])) },
      read: async (input) => {
        const verifier = new TicketVerifier([pem(keys.publicKey, "spki")], SERVER, { now: () => NOW_MS });
        const text = new TextDecoder("latin1").decode(input);
        // Base64 has several texts for one signature; they are the same ticket.
        const isSame =
          text.startsWith(`${header}.${payload}.`) &&
          Buffer.from(text.split(".")[2] ?? "", "base64url").equals(Buffer.from(signature, "base64url"));
        if (isSame)
          await verifier.verify(text, expected).catch((error: unknown) => expect(error).toMatchObject({ code: "TICKET_REFUSED" }));
        else await refuses("TICKET_REFUSED", verifier.verify(text, expected));
      },
    },
    fuzzBudget(),
  );
});

test("cluster files and certificates: what was written, or INVALID_ARGUMENT", async () => {
  const { caFile } = await initCluster(join(folder, "cluster"));
  const issued = await issueServer(join(folder, "cluster"), { hosts: ["127.0.0.1"], name: "one" });
  const [cluster, chain, ca] = [issued.clusterFile, issued.certFile, caFile].map((file) => readFileSync(file, "utf8")) as [
    string,
    string,
    string,
  ];
  const file = join(folder, "cluster.json");
  const key = generateKeyPairSync("ed25519").publicKey;
  const authority = new X509Certificate(ca);
  await fuzz(
    {
      corpus: {
        ...corpus("cluster"),
        whole: { text: cluster },
        chain: { text: chain },
        ca: { text: ca },
        noise: { hex: randomBytes(40).toString("hex") },
      },
      read: async (input) => {
        const text = new TextDecoder().decode(input);
        writeFileSync(file, input);
        const outcomes = [
          () => loadClusterFile(file),
          async () => trustAnchorFor(text, [issued.identity], NOW_MS),
          async () => trustAnchorUnder(text, ca, "127.0.0.1", NOW_MS),
          async () => trustAnchorUnder(chain, text, "127.0.0.1", NOW_MS),
        ];
        for (const read of outcomes) {
          await read().catch((error: unknown) => {
            if (!isKwikError(error)) throw error;
          });
        }
        // Only the server's own key vouches.
        expect(hasAuthorityVoucher(text, key, authority)).toBe(false);
      },
    },
    fuzzBudget(),
  );
});

test("lists of revoked keys: the very one that was signed, or NOT_TRUSTED; what the authority signed is a list, or INVALID_ARGUMENT", async () => {
  const { caFile } = await initCluster(join(folder, "revoked"));
  const ca = readFileSync(caFile, "utf8");
  const authority = new X509Certificate(ca);
  const key = createPrivateKey(readFileSync(join(folder, "revoked", "ca.key")));
  const list = { number: 3, revoked: [{ identity: SERVER, revokedAtMs: NOW_MS, reason: "lost" }] };
  const text = await signRevocationList(list, authority, key);
  const [header = "", payload = ""] = text.split(".").map((part) => Buffer.from(part, "base64url").toString());
  await fuzz(
    {
      corpus: { list: { text }, payload: { text: payload }, empty: { text: '{"number":0,"revoked":[]}' } },
      read: async (input) => {
        const given = new TextDecoder().decode(input);
        await unless("NOT_TRUSTED", async () => expect(await readRevocationList(given, ca)).toEqual(list));
        const signed = await new CompactSign(input).setProtectedHeader(JSON.parse(header) as CompactJWSHeaderParameters).sign(key);
        await unless("INVALID_ARGUMENT", async () => {
          const { number, revoked } = await readRevocationList(signed, ca);
          expect(Number.isSafeInteger(number) && number >= 0).toBe(true);
          for (const { identity, revokedAtMs, reason } of revoked) {
            expect(isIdentity(identity) && Number.isFinite(revokedAtMs) && typeof reason === "string").toBe(true);
          }
        });
      },
    },
    fuzzBudget(),
  );
});
