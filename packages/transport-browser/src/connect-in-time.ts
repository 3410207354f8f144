import { type DialRequest, formatAddress, KwikError } from "@kwik/core";

/** How an attempt to connect ended. What comes after the first is ignored. */
export interface Attempt<T> {
  readonly succeed: (value: T) => void;
  readonly fail: (error: KwikError) => void;
}

/**
 * Waits for what `begin` begins, until it succeeds, fails, is aborted (ABORTED) or takes longer than `timeoutMs` (UNREACHABLE). `giveUp` ends what
 * did not succeed.
 */
export function connectInTime<T>(
  { signal, timeoutMs }: DialRequest,
  place: string,
  over: string,
  begin: (attempt: Attempt<T>) => void,
  giveUp: () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      return true;
    };
    const fail = (error: KwikError): void => {
      if (!settle()) return;
      giveUp();
      reject(error);
    };
    const succeed = (value: T): void => {
      if (settle()) resolve(value);
    };
    const abort = (): void => fail(new KwikError("ABORTED", `dialling ${place} was aborted`, { cause: signal?.reason }));
    const timer = setTimeout(
      () => fail(new KwikError("UNREACHABLE", `${place} did not answer over ${over} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) abort();
    else begin({ succeed, fail });
  });
}

/** "host:port" without a scheme, IPv6 in brackets. */
export function placeOf({ host, port }: DialRequest["address"]): string {
  return formatAddress({ host, port });
}
