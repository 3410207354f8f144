/**
 * A moment on the caller's monotonic clock, in milliseconds with fractions. The state machine never reads a clock:
 * every call that depends on time is told it.
 */
export type Instant = number;

/** A span of time in milliseconds. */
export type DurationMs = number;
