/**
 * A moment on the caller's monotonic clock, in milliseconds with fractions. The state machine never reads a clock:
 * every call that depends on time is told it.
 */
export type Instant = number;

/** A span of time in milliseconds. */
export type DurationMs = number;

/** The earlier of two moments, either of which may not be set. */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined || a <= b ? a : b;
}
