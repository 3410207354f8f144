import { createHash } from "node:crypto";
import { patternBytes } from "@kwik/testkit";
import type { ContentSource, ContentStore } from "kwik";

const KEYS = 4;
/** Not a whole number of blocks. */
const CONTENT_BYTES = 1_500_000;

const hashes = new Map<string, readonly Uint8Array[]>();

/** A content that every server has; `key` is any number. */
export function patternContent(key: number): ContentSource & { readonly patternKey: number } {
  const patternKey = key % KEYS;
  return {
    id: `pattern-${patternKey}`,
    version: "1",
    length: BigInt(CONTENT_BYTES),
    patternKey,
    read: async (offset, length) => patternBytes(patternKey, Number(offset), length),
    hashes: async (blockBytes) => hashesOf(patternKey, blockBytes),
  };
}

export const patternStore: ContentStore = {
  open: async (id) => {
    const key = /^pattern-(\d)$/.exec(id)?.[1];
    return key === undefined ? undefined : patternContent(Number(key));
  },
};

function hashesOf(key: number, blockBytes: number): readonly Uint8Array[] {
  const name = `${key}/${blockBytes}`;
  const known = hashes.get(name);
  if (known !== undefined) return known;
  const made: Uint8Array[] = [];
  for (let at = 0; at < CONTENT_BYTES; at += blockBytes) {
    const block = patternBytes(key, at, Math.min(blockBytes, CONTENT_BYTES - at));
    made.push(createHash("sha256").update(block).digest());
  }
  hashes.set(name, made);
  return made;
}
