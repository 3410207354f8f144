/** A request's headers, at most: cookies of a page on the same host come along. */
const MAX_HEADER_BYTES = 16 * 1024;

/** Bounds of Node's HTTP server for a client's request; `timeoutMs` is what it may take. */
export function httpLimits(timeoutMs: number) {
  return {
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    // Node looks for slow clients this often.
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, timeoutMs / 4)),
    maxHeaderSize: MAX_HEADER_BYTES,
  };
}
