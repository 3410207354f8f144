import type { WebRules } from "@kwik/core";
import type { Field } from "./qpack/field-section.ts";

/** An HTTP answer that is no session. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** Set if that is whose pages may not connect. */
  readonly origin?: string;
}

const PSEUDO_FIELDS = new Set([":method", ":scheme", ":authority", ":path", ":protocol"]);

/** Fields of HTTP/1 connections, which a request must not carry. RFC 9114 section 4.2 */
const CONNECTION_FIELDS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** What a request is refused with; undefined if it asks for a session that it may have. */
export function refusalOf(fields: readonly Field[], rules: WebRules): Refusal | undefined {
  const malformed = flawOf(fields);
  if (malformed !== undefined) return { status: 400, text: `The request is malformed: ${malformed}.\n` };
  const request = new Map(fields);
  const method = request.get(":method");
  const protocol = request.get(":protocol");
  if (method === "CONNECT" && protocol === undefined) return { status: 501, text: "This server is no proxy.\n" };
  const isHere = (request.get(":path") ?? "").replace(/\?.*$/s, "") === rules.path;
  if (!isHere) return { status: 404, text: purposeOf(rules) };
  if (method !== "CONNECT") return { status: 405, text: purposeOf(rules) };
  if (protocol !== "webtransport") return { status: 501, text: purposeOf(rules) };
  const origin = request.get("origin");
  if (origin !== undefined && !rules.allowsOrigin(origin, request.get(":authority"))) {
    // It will be read in logs, and no origin has other characters.
    return { status: 403, text: "Pages of this origin may not connect here.\n", origin: origin.replace(/[^!-~]/g, "?") };
  }
  return undefined;
}

/** Whether a request was made with HEAD, whose answer has no body. */
export function isHead(fields: readonly Field[]): boolean {
  return fields.some(([name, value]) => name === ":method" && value === "HEAD");
}

function purposeOf(rules: WebRules): string {
  return `This port serves kwik: WebTransport at ${rules.path}, and nothing else over HTTP.\n`;
}

/** What is wrong with a request by RFC 9114 section 4.1.2 and RFC 9220. */
function flawOf(fields: readonly Field[]): string | undefined {
  const pseudo = new Map<string, string>();
  let isBehindPseudo = false;
  for (const [name, value] of fields) {
    if (/[^!-~]|[A-Z]/.test(name) || name === "") return "a field has a bad name";
    // Control characters, but for the tab. RFC 9110 section 5.5
    if (/[^\t -~\x80-\xff]/.test(value)) return "a field has a bad value";
    if (!name.startsWith(":")) {
      isBehindPseudo = true;
      if (CONNECTION_FIELDS.has(name)) return `${name} has no place in HTTP/3`;
      continue;
    }
    if (!PSEUDO_FIELDS.has(name)) return "a pseudo-header field is unknown";
    if (isBehindPseudo) return "a pseudo-header field comes late";
    if (pseudo.has(name)) return `${name} comes twice`;
    pseudo.set(name, value);
  }
  return flawOfPseudo(pseudo);
}

function flawOfPseudo(pseudo: ReadonlyMap<string, string>): string | undefined {
  const method = pseudo.get(":method");
  const path = pseudo.get(":path");
  if (method === undefined || method === "") return ":method is missing";
  if (pseudo.has(":protocol") && method !== "CONNECT") return ":protocol has no place here";
  if (method === "CONNECT" && !pseudo.has(":protocol")) {
    if (pseudo.has(":scheme") || path !== undefined) return "a plain CONNECT has neither :scheme nor :path";
    return pseudo.has(":authority") ? undefined : ":authority is missing";
  }
  if (!pseudo.has(":scheme") || path === undefined || path === "") return ":scheme or :path is missing";
  if (!pseudo.has(":protocol")) return undefined;
  if (pseudo.get(":scheme") !== "https") return ":scheme is not https";
  return pseudo.has(":authority") ? undefined : ":authority is missing";
}
