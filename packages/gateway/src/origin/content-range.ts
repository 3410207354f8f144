/** Bytes `from` to `to`, both included, of `total`. */
export interface ContentRange {
  readonly from: number;
  readonly to: number;
  readonly total: number;
}

/**
 * What a Content-Range header says of one range of bytes with a known total (RFC 9110, section 14.4); undefined where it says anything else, or what cannot be: an end before the
 * beginning or beyond the total, or numbers of more than fifteen digits.
 */
export function parseContentRange(header: string): ContentRange | undefined {
  const [whole, ...numbers] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(header) ?? [];
  if (whole === undefined) return undefined;
  const [from, to, total] = numbers.map(Number) as [number, number, number];
  return from <= to && to < total ? { from, to, total } : undefined;
}
