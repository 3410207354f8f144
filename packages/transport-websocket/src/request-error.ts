import { STATUS_CODES } from "node:http";
import { KwikError } from "@kwik/core";
import { dialError } from "@kwik/tls";

/** Answers of gateways that have nobody behind them, and of a server that is full: another try may succeed. */
const UNAVAILABLE = new Set([502, 503, 504]);

/** Something answered the request, but not by opening a WebSocket. */
export function statusError(status: number, where: string): KwikError {
  const answer = `${status} ${STATUS_CODES[status] ?? ""}`.trimEnd();
  if (UNAVAILABLE.has(status)) return new KwikError("UNREACHABLE", `${where} refused the connection: HTTP ${answer}`, { remote: true });
  return new KwikError("NOT_KWIK", `${where} speaks HTTP but not kwik: it answered ${answer}`, { remote: true });
}

/** Why a request for a WebSocket failed: an error of the socket, of TLS, of the HTTP parser or of `ws`. */
export function requestError(cause: Error, where: string): KwikError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (code.startsWith("HPE_")) return new KwikError("NOT_KWIK", `${where} does not speak HTTP`, { cause });
  // `ws` gives its own findings about the answer no code.
  if (code === "" || code.startsWith("WS_ERR_"))
    return new KwikError("NOT_KWIK", `${where} speaks HTTP but not kwik: ${cause.message}`, { cause });
  return dialError(cause, where);
}
