/** Why a client's TLS handshake failed, from the socket's error. */
export function handshakeProblem(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "";
  if (code === "ERR_TLS_HANDSHAKE_TIMEOUT") return "it did not finish its handshake in time";
  if (code === "ECONNRESET" || code === "EPIPE") return "it left during the handshake";
  if (code.includes("NO_APPLICATION_PROTOCOL")) return "it speaks TLS but not kwik";
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/.test(code)) return "it does not offer TLS 1.3";
  if (code.includes("_ALERT_")) return `it gave the handshake up (${code})`;
  if (code.startsWith("ERR_SSL")) return `it does not speak TLS (${code})`;
  return error.message;
}
