/**
 * A text of the other side, cut to at most `maxLength` UTF-16 units. A cut one is a text of its own: it does not keep the long one in memory.
 */
export function clipText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const units: string[] = [];
  for (let i = 0; i < maxLength; i += 1) units.push(text.charAt(i));
  return units.join("");
}

/** Reasons of the other side that are kept or told on, at most, in UTF-16 units. */
export const MAX_REASON_LENGTH = 512;
