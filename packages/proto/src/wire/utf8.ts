const REPLACEMENT = 0xfffd;

/**
 * Encodes text as UTF-8, cut before the character that would pass `maxBytes`. Lone surrogates become U+FFFD.
 * For short texts such as reasons; not a hot path.
 */
export function encodeUtf8(text: string, maxBytes = Number.MAX_SAFE_INTEGER): Uint8Array {
  const target = new Uint8Array(Math.min(maxBytes, text.length * 3));
  let at = 0;
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    const code = point >= 0xd800 && point <= 0xdfff ? REPLACEMENT : point;
    const length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
    if (at + length > maxBytes) break;
    if (length === 1) target[at] = code;
    else target[at] = ((0xf00 >> length) & 0xff) | (code >> (6 * (length - 1)));
    for (let i = 1; i < length; i += 1) target[at + i] = 0x80 | ((code >> (6 * (length - 1 - i))) & 0x3f);
    at += length;
  }
  return target.subarray(0, at);
}

/** Decodes UTF-8; each maximal ill-formed part reads as one U+FFFD, as in the WHATWG Encoding standard. Never fails. */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] as number;
    at += 1;
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    const following = first >= 0xc2 && first <= 0xdf ? 1 : (first & 0xf0) === 0xe0 ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
    let code = following === 0 ? REPLACEMENT : first & (0x3f >> following);
    for (let i = 0; i < following; i += 1) {
      const byte = bytes[at];
      if (byte === undefined || !continues(first, i, byte)) {
        code = REPLACEMENT;
        break;
      }
      code = (code << 6) | (byte & 0x3f);
      at += 1;
    }
    text += String.fromCodePoint(code);
  }
  return text;
}

/** Whether `byte` may be continuation number `index` after `first`: the first one also excludes overlong forms and surrogates. */
function continues(first: number, index: number, byte: number): boolean {
  if (byte < 0x80 || byte > 0xbf) return false;
  if (index > 0) return true;
  if (first === 0xe0) return byte >= 0xa0;
  if (first === 0xed) return byte <= 0x9f;
  if (first === 0xf0) return byte >= 0x90;
  if (first === 0xf4) return byte <= 0x8f;
  return true;
}
