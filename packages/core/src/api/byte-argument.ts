import { KwikError } from "./errors.ts";

/**
 * Why `value` cannot be taken as bytes by the method `taker`, or undefined. Whoever calls from JavaScript may give anything; a string or
 * an ArrayBuffer would otherwise go out as something else, or not at all. Arrays of another realm (a frame, `node:vm`) are taken.
 */
export function byteProblem(value: unknown, taker: string): KwikError | undefined {
  if (value instanceof Uint8Array) return undefined;
  const kind = Object.prototype.toString.call(value);
  return kind === "[object Uint8Array]" ? undefined : new KwikError("INVALID_ARGUMENT", `${taker} needs a Uint8Array, not ${kind}`);
}
