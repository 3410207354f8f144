/** Headers of one hop, which a proxy does not pass on (RFC 9110, 7.6.1). */
const HOP_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "proxy-connection",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-authentication-info",
]);

/** The pairs of `rawHeaders` that go on, in their order and case; without those that `Connection` names and those of `replaced` (lower case). */
export function endToEndHeaders(rawHeaders: readonly string[], replaced: readonly string[] = []): string[] {
  const dropped = new Set(replaced);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== "connection") continue;
    for (const name of (rawHeaders[i + 1] as string).split(",")) dropped.add(name.trim().toLowerCase());
  }
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (!HOP_HEADERS.has(lower) && !dropped.has(lower)) kept.push(name, rawHeaders[i + 1] as string);
  }
  return kept;
}
