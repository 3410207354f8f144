import { type DialOptions, KwikError } from "@kwik/core";
import { readRevocationList } from "@kwik/trust";

/** `trust.revoked` as core takes it. Rejects with INVALID_ARGUMENT or NOT_TRUSTED for a list that its authority has not signed. */
export async function withRevoked({ trust = {} }: Pick<DialOptions, "trust">): Promise<{ readonly revoked?: readonly string[] }> {
  const { revoked, ca } = trust;
  if (revoked === undefined) return {};
  if (ca === undefined)
    throw new KwikError("INVALID_ARGUMENT", "trust.revoked is signed by the authority; give its certificate too (trust.ca)");
  return { revoked: (await readRevocationList(revoked, ca)).revoked.map((entry) => entry.identity) };
}
