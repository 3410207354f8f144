import { MAX_ITEM_NAME_BYTES } from "./limits.ts";

// What separates (bars, folders, drives, streams), what file systems refuse, what moves a terminal's cursor or turns its text around, and
// what stands where bytes were no UTF-8.
const FORBIDDEN = /[|/\\:*?"<>\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\uFEFF\uFFFD]/u;
// A device on Windows, with any ending.
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/**
 * LINE-5: whether an item may be called so. Such a name is one file directly in the output folder, on any system. A dot in front is left to
 * the server's own unfinished files; dots and spaces at the end are dropped by some systems, which would make two names one.
 */
export function isItemName(name: string): boolean {
  if (name === "" || Buffer.byteLength(name) > MAX_ITEM_NAME_BYTES) return false;
  return !FORBIDDEN.test(name) && !name.startsWith(".") && !/[. ]$/.test(name) && !DEVICE.test(name);
}
