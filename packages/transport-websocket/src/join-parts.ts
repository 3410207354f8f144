/**
 * The bytes of `parts`, in order, as messages of at most `maxBytes`: small parts together, large ones cut. A message that lies within one part
 * is a view of it, any other a copy.
 */
export function joinParts(parts: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  const flush = (): void => {
    const [only] = pieces;
    if (only === undefined) return;
    messages.push(pieces.length === 1 ? only : Buffer.concat(pieces, bytes));
    pieces = [];
    bytes = 0;
  };
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const to = Math.min(part.length, from + maxBytes - bytes);
      pieces.push(from === 0 && to === part.length ? part : part.subarray(from, to));
      bytes += to - from;
      from = to;
      if (bytes === maxBytes) flush();
    }
  }
  flush();
  return messages;
}
