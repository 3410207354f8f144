/** The number that a decimal text without sign, spaces or zeros in front stands for; undefined for any other text. */
export function parseDecimal(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : undefined;
}
