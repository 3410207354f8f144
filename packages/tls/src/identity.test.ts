import { createHash, generateKeyPairSync, type X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { identityOf, shownIdentity, spkiIdentity } from "./identity.ts";

test("the identity of a certificate that was shown is the hash of its key", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const identity = `sha256:${createHash("sha256").update(spki).digest("hex")}`;
  expect(shownIdentity({ publicKey } as unknown as X509Certificate)).toBe(identity);
  expect([identityOf(publicKey), spkiIdentity(spki)]).toEqual([identity, identity]);
  const unknown = {
    get publicKey(): never {
      throw new Error("unsupported");
    },
  } as unknown as X509Certificate;
  expect(shownIdentity(unknown)).toBeUndefined();
});
