import { STATUS_CODES } from "node:http";
import { KwikError } from "@kwik/core";

/** Nobody answered in time. */
export function unreachable(where: string, timeoutMs: number): KwikError {
  return new KwikError("UNREACHABLE", `no kwik server answered at ${where} over WebSocket within ${Math.round(timeoutMs / 100) / 10} s`);
}

/** Answers of gateways that have nobody behind them, and of a server that is full: another try may succeed. */
const UNAVAILABLE = new Set([502, 503, 504]);

/** Something answered the request, but not by opening a WebSocket. */
export function statusError(status: number, where: string): KwikError {
  const answer = `${status} ${STATUS_CODES[status] ?? ""}`.trimEnd();
  if (UNAVAILABLE.has(status)) return new KwikError("UNREACHABLE", `${where} refused the connection: HTTP ${answer}`, { remote: true });
  return new KwikError("NOT_KWIK", `${where} speaks HTTP but not kwik: it answered ${answer}`, { remote: true });
}

/** By the `code` of Node's errors: it is part of its contract, the text is not. */
const CONNECT_PROBLEMS = new Map<string, string>([
  ["ECONNREFUSED", "nobody listens there"],
  ["ECONNRESET", "it closed the connection without an answer"],
  ["EPIPE", "it closed the connection without an answer"],
  ["EHOSTUNREACH", "there is no way to it"],
  ["ENETUNREACH", "there is no way to it"],
  ["ETIMEDOUT", "it does not answer"],
]);

/** Why a connection failed: an error of the socket, of TLS, of the HTTP parser or of `ws`. */
export function dialError(cause: Error, where: string): KwikError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const known = CONNECT_PROBLEMS.get(code);
  if (known !== undefined) return new KwikError("UNREACHABLE", `${where} refused the connection: ${known}`, { remote: true, cause });
  const notKwik = (what: string): KwikError => new KwikError("NOT_KWIK", `${where} ${what}`, { remote: true, cause });
  if (/^ERR_SSL_.*(PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)/.test(code)) return notKwik("speaks TLS but not TLS 1.3");
  if (/^ERR_SSL_.*NO_APPLICATION_PROTOCOL/.test(code)) return notKwik("speaks TLS but not kwik");
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    return new KwikError("UNREACHABLE", `${where} refused the connection: the TLS handshake failed (${code})`, { remote: true, cause });
  }
  if (/^ERR_SSL_|^EPROTO$/.test(code)) return notKwik("does not speak TLS");
  if (code.startsWith("HPE_")) return notKwik("does not speak HTTP");
  // `ws` gives its own findings about the answer no code.
  if (code === "" || code.startsWith("WS_ERR_")) return notKwik(`speaks HTTP but not kwik: ${cause.message}`);
  return new KwikError("UNREACHABLE", `${where} cannot be dialled: ${cause.message}`, { cause });
}
