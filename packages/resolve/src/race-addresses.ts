import { type Link, raceLinks, type ServerAddress } from "@kwik/core";

/** How long one address has for itself before the next is tried beside it, in milliseconds. */
const HEAD_START_MS = 250;

/** Connects to whichever of a host's addresses answers first, in the given order with a small head start each; see `raceLinks`. */
export function raceAddresses(
  addresses: readonly ServerAddress[],
  signal: AbortSignal | undefined,
  connect: (address: ServerAddress, signal: AbortSignal) => Promise<Link>,
): Promise<Link> {
  return raceLinks(
    addresses.map((address) => (either) => connect(address, either)),
    HEAD_START_MS,
    signal,
  );
}
