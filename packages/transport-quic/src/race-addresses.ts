import { KwikError } from "@kwik/core";
import type { Link, ServerAddress } from "@kwik/core";

/** How long one address has for itself before the next is tried beside it, in milliseconds. */
const HEAD_START_MS = 250;

/**
 * Connects to whichever of a host's addresses answers first, in the given order with a small head start each; the others are given up.
 * Rejects when all have failed: with "not trusted" if one was reached but not believed, else with the first failure.
 */
export async function raceAddresses(
  addresses: readonly ServerAddress[],
  signal: AbortSignal | undefined,
  connect: (address: ServerAddress, signal: AbortSignal | undefined) => Promise<Link>,
): Promise<Link> {
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1) return connect(only, signal);
  const giveUp = new AbortController();
  const either = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
  const failures: unknown[] = [];
  let lastFailed: Promise<unknown> = Promise.resolve();
  const attempts = addresses.map(async (address, index) => {
    if (index > 0) await firstOf(lastFailed, HEAD_START_MS * index, either);
    const attempt = connect(address, either);
    lastFailed = attempt.then(
      () => new Promise(() => undefined),
      () => undefined,
    );
    return attempt.catch((error: unknown) => {
      failures.push(error);
      throw error;
    });
  });
  try {
    const link = await Promise.any(attempts);
    giveUp.abort();
    for (const attempt of attempts)
      attempt.then(
        (other) => other !== link && other.close(0, ""),
        () => undefined,
      );
    return link;
  } catch {
    throw failures.find((error) => error instanceof KwikError && error.code === "NOT_TRUSTED") ?? failures[0];
  }
}

function firstOf(event: Promise<unknown>, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done, { once: true });
    void event.then(done);
  });
}
