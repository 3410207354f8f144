import type { HttpHead } from "./http-head.ts";

/** A content id has at most 1024 characters, and the target and the host have 255 each with what stands around them. */
const MAX_PATH_LENGTH = 480;
const MAX_ETAG_LENGTH = 256;
/** What may make a response one for this client alone, or another one than a plain GET brings. */
const PERSONAL: readonly string[] = [
  "authorization",
  "cookie",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
];

/** Whether a request has no body and asks for nothing but a response, so that the next one begins right behind it. */
export function isBareGet({ httpVersion, method, headers }: HttpHead): boolean {
  if (httpVersion !== "1.1" || method !== "GET") return false;
  if (["transfer-encoding", "content-length", "upgrade", "expect", "trailer"].some((name) => headers[name] !== undefined)) return false;
  return connectionTokens(headers).every((token) => token === "keep-alive" || token === "close");
}

/** What a request asks for, if any replica could answer it: its `Host`, and its path with the query. */
export function replicableRequest(head: HttpHead): { readonly host: string; readonly path: string } | undefined {
  const { headers, path } = head;
  const [host = "", ...more] = headers["host"] ?? [];
  if (!isBareGet(head) || more.length > 0 || !/^[0-9A-Za-z._:[\]-]{1,255}$/.test(host)) return undefined;
  if (path.length > MAX_PATH_LENGTH || !/^\/[\x21-\x7e]*$/.test(path)) return undefined;
  return PERSONAL.some((name) => headers[name] !== undefined) ? undefined : { host, path };
}

/** The bytes of a response's body, where its end is told by its length; undefined where it is told otherwise. */
export function bodyBytes({ httpVersion, status, headers }: HttpHead): number | undefined {
  if (httpVersion !== "1.1" || status < 200 || headers["transfer-encoding"] !== undefined || headers["upgrade"] !== undefined)
    return undefined;
  if (status === 204 || status === 304) return 0;
  const [text = "", ...more] = headers["content-length"] ?? [];
  const bytes = Number(text);
  return more.length === 0 && /^\d{1,15}$/.test(text) && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** What names the bytes of a response for all who ask, if they can be had in ranges as well: its strong validator and its length. */
export function replicableResponse(head: HttpHead, minBytes: number): { readonly etag: string; readonly length: number } | undefined {
  const { status, headers } = head;
  const length = bodyBytes(head);
  const etag = strongEtag(headers);
  if (status !== 200 || length === undefined || length < minBytes || etag === undefined) return undefined;
  if (!listOf(headers, "accept-ranges").includes("bytes")) return undefined;
  if (["content-encoding", "content-range", "vary", "set-cookie", "trailer"].some((name) => headers[name] !== undefined)) return undefined;
  if (listOf(headers, "cache-control").some((directive) => /^(?:private|no-store)\b/.test(directive))) return undefined;
  return { etag, length };
}

/** The one strong validator of a response (RFC 9110, 8.8.3), if it has one. */
export function strongEtag(headers: HttpHead["headers"]): string | undefined {
  const [etag = "", ...more] = headers["etag"] ?? [];
  return more.length === 0 && etag.length <= MAX_ETAG_LENGTH && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
}

/** Whether a message is the last one of its side of the connection. */
export function isLast({ headers }: HttpHead): boolean {
  return connectionTokens(headers).includes("close");
}

function connectionTokens(headers: HttpHead["headers"]): string[] {
  return listOf(headers, "connection");
}

function listOf(headers: HttpHead["headers"], name: string): string[] {
  return (headers[name] ?? []).flatMap((value) => value.split(",")).map((value) => value.trim().toLowerCase());
}
