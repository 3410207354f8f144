import { KwikError } from "./errors.ts";

/** Largest code of `closeWithError`. */
export const MAX_CLOSE_CODE = 0xffff_ffff;

/** A code of the application as it came, if it can travel; throws INVALID_ARGUMENT otherwise. */
export function checkCode(code: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(code) && code >= 0 && code <= max) return code;
  throw new KwikError("INVALID_ARGUMENT", `an application's code is a whole number from 0 to ${max}, not ${code}`);
}

/** The code in the reason of a web stream's abort or cancel; 0 if there is none. */
export function codeOf(reason: unknown): number {
  return typeof reason === "number" && Number.isSafeInteger(reason) && reason >= 0 ? reason : 0;
}
