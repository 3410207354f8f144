import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { KwikError } from "@kwik/core";

/** The IP addresses of a host, in the order in which to try them. Rejects with UNREACHABLE. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  if (isIP(host.replace(/%.*$/, "")) !== 0) return [host];
  let found: { address: string; family: number }[];
  try {
    found = await lookup(host, { all: true, order: "verbatim" });
  } catch (cause) {
    throw new KwikError("UNREACHABLE", `the name "${host}" cannot be resolved`, { cause });
  }
  // Without a route, IPv6 would only be silence.
  if (!hasIpv6()) found.sort((a, b) => a.family - b.family);
  return [...new Set(found.map((entry) => entry.address))];
}

function hasIpv6(): boolean {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const entry of addresses ?? []) {
      if (entry.family === "IPv6" && !entry.internal && !entry.address.startsWith("fe80:")) return true;
    }
  }
  return false;
}
