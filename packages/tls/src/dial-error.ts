import { KwikError } from "@kwik/core";

/** Why a connection did not come about, from the error of the socket or of TLS. By its code: that is part of Node's contract, the text is not. */
export function dialError(error: NodeJS.ErrnoException, where: string): KwikError {
  const code = error.code ?? "";
  if (code.includes("NO_APPLICATION_PROTOCOL")) return notKwik(where, "speaks TLS but not kwik", error);
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code)) {
    return notKwik(where, "speaks TLS but not TLS 1.3, so it is no kwik server", error);
  }
  if (
    /WRONG_VERSION_NUMBER|PACKET_LENGTH|DATA_LENGTH|HTTP_REQUEST|UNEXPECTED_MESSAGE|RECORD_LAYER|BAD_RECORD_TYPE|INVALID_RECORD/.test(code)
  ) {
    return notKwik(where, "does not speak TLS, so it is no kwik server", error);
  }
  // The server's own verdict: a certificate of ours that it does not take, for instance.
  if (/^ERR_SSL_.*ALERT/.test(code)) return refused(where, `the TLS handshake failed (${code})`, error);
  if (code.startsWith("ERR_SSL") || code === "EPROTO") {
    return new KwikError("NOT_TRUSTED", `${where} is not trusted: the TLS handshake failed (${code})`, { cause: error });
  }
  switch (code) {
    case "ECONNREFUSED":
      return refused(where, "nobody listens there", error);
    case "ECONNRESET":
    case "EPIPE":
      return refused(where, "it closed the connection without an answer", error);
    case "ETIMEDOUT":
      return cannotDial(where, "it does not answer", error);
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return cannotDial(where, "there is no route to it from this machine", error);
    case "EACCES":
    case "EPERM":
      return cannotDial(where, "this machine does not allow it", error);
    default:
      return cannotDial(where, error.message, error);
  }
}

/** The connection was closed before it could carry anything. */
export function closedEarly(where: string): KwikError {
  return dialError(Object.assign(new Error("closed"), { code: "ECONNRESET" }), where);
}

/** A TLS handshake came about, but the server did not choose kwik. */
export function speaksNoKwik(where: string): KwikError {
  return notKwik(where, "speaks TLS but not kwik", undefined);
}

/** Nobody answered in time; `over` names the transport for people. */
export function unreachable(where: string, over: string, timeoutMs: number): KwikError {
  return new KwikError("UNREACHABLE", `no kwik server answered at ${where} over ${over} within ${Math.round(timeoutMs / 100) / 10} s`);
}

/** Without TLS nobody can be believed, unless the caller believes everybody. */
export function plaintextUntrusted(): KwikError {
  return new KwikError(
    "NOT_TRUSTED",
    "without TLS (dangerouslyPlaintext) no server can prove who it is; dial with dangerouslyTrustAnyServer, in tests only",
  );
}

function notKwik(where: string, what: string, cause: unknown): KwikError {
  return new KwikError("NOT_KWIK", `${where} ${what}`, cause === undefined ? {} : { cause });
}

function refused(where: string, detail: string, cause: unknown): KwikError {
  return new KwikError("UNREACHABLE", `${where} refused the connection: ${detail}`, { remote: true, cause });
}

function cannotDial(where: string, detail: string, cause: unknown): KwikError {
  return new KwikError("UNREACHABLE", `${where} cannot be dialled: ${detail}`, { cause });
}
