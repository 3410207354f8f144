import { afterInput } from "../pipe/after-input.ts";

/** The clock, timers and randomness that core uses; the system's by default, a virtual one in simulation. */
export interface Runtime {
  /** Monotonic, in milliseconds with fractions. */
  now(): number;
  /** Wall clock, in milliseconds since 1970. */
  wallClock(): number;
  /** Calls once after at least `delayMs`; the result is for `clearTimer`. */
  setTimer(callback: () => void, delayMs: number): unknown;
  clearTimer(timer: unknown): void;
  /** Runs after the present call, before anything else. */
  queueMicrotask(callback: () => void): void;
  /** Runs when the input that is at hand has been taken in, as far as the host can tell. */
  afterInput(callback: () => void): void;
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
  sha256(parts: readonly Uint8Array[]): Promise<Uint8Array>;
}

// A name of its own: the global is a getter, and called for each packet.
const clock = performance;

/** The host's own clock, timers and WebCrypto. */
export const systemRuntime: Runtime = {
  now: () => clock.now(),
  wallClock: () => Date.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  queueMicrotask: (callback) => queueMicrotask(callback),
  afterInput: (callback) => afterInput(callback),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  sha256: async (parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(parts))),
};

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined && first.buffer instanceof ArrayBuffer) return first as Uint8Array<ArrayBuffer>;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
