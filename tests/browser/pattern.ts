/** Bytes that show any shift, loss or exchange; page.html knows the same. */
export function patternAt(offset: number): number {
  return (offset ^ (offset >>> 8) ^ (offset >>> 16)) & 0xff;
}
