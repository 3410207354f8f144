import { KwikError } from "../api/errors.ts";
import type { Link } from "./link.ts";

/** One way to get a link. */
export type LinkAttempt = (signal: AbortSignal) => Promise<Link>;

/**
 * Tries in the given order; each attempt has `headStartMs` for itself before the next begins beside it, or until it fails. The first link wins,
 * and the others are given up. Rejects when all have failed: with "not trusted" if one was reached but not believed, else with the first failure of one
 * that could have done it.
 */
export async function raceLinks(attempts: readonly LinkAttempt[], headStartMs: number, signal: AbortSignal | undefined): Promise<Link> {
  const giveUp = new AbortController();
  const either = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
  const [only] = attempts;
  if (only !== undefined && attempts.length === 1) return only(either);
  const failures: unknown[] = [];
  let before: Promise<unknown> = Promise.resolve();
  const running = attempts.map((attempt, index) => {
    const turn = index === 0 ? Promise.resolve() : firstOf(before, headStartMs * index, either);
    const link = turn.then(() => {
      if (either.aborted) throw new KwikError("ABORTED", "the dial was given up");
      return attempt(either);
    });
    // The next one need not wait for one that has failed, nor for those before it.
    const all = Promise.all([before, failureOf(link)]);
    before = all;
    link.catch((error: unknown) => failures.push(error));
    return link;
  });
  let won: Link;
  try {
    won = await Promise.any(running);
  } catch {
    throw (
      failures.find((error) => codeOf(error) === "NOT_TRUSTED") ??
      failures.find((error) => codeOf(error) !== "NOT_SUPPORTED") ??
      failures[0]
    );
  }
  giveUp.abort();
  for (const link of running) {
    link.then(
      (other) => other !== won && other.close(0, ""),
      () => undefined,
    );
  }
  return won;
}

function codeOf(error: unknown): string {
  return error instanceof KwikError ? error.code : "";
}

/** Resolves when the attempt has failed, and never if it does not. */
function failureOf(link: Promise<Link>): Promise<unknown> {
  return link.then(
    () => new Promise(() => undefined),
    () => undefined,
  );
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
