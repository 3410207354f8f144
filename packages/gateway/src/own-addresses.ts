import { networkInterfaces } from "node:os";

/** How long what was found stays good, in milliseconds: addresses rarely change, and asking takes 0.1 ms. */
const FRESH_MS = 5_000;

let found: ReadonlySet<string> = new Set();
let foundAt = Number.NEGATIVE_INFINITY;

/** Whether an IP address, as `canonicalIp` writes it, is one of this machine's: whatever listens there may count on being reached from here only. */
export function isOwnAddress(ip: string): boolean {
  const now = performance.now();
  if (now - foundAt > FRESH_MS) {
    found = new Set(Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address)));
    foundAt = now;
  }
  return found.has(ip);
}
