import { KwikError } from "./errors.ts";

/**
 * Names for the priorities of streams; any whole number from 0 to 255 will do. A higher one goes first, while lower ones keep a sixteenth; equal ones
 * share evenly.
 */
export const Priority = { CRITICAL: 224, HIGH: 176, NORMAL: 128, LOW: 80, BACKGROUND: 32 } as const;

/** A priority as it came, if there is such a one; throws INVALID_ARGUMENT otherwise. */
export function checkPriority(priority: number): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= 255) return priority;
  throw new KwikError("INVALID_ARGUMENT", `a priority is a whole number from 0 to 255, not ${priority}`);
}
