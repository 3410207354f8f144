import { createHash, generateKeyPairSync, type X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { certificateIdentity } from "./certificate-identity.ts";

test("the identity of a certificate is the hash of its key", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const hex = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
  expect(certificateIdentity({ publicKey } as unknown as X509Certificate)).toBe(`sha256:${hex}`);
  const unknown = {
    get publicKey(): never {
      throw new Error("unsupported");
    },
  } as unknown as X509Certificate;
  expect(certificateIdentity(unknown)).toBeUndefined();
});
