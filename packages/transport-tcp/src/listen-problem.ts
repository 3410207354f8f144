/** Why an address cannot be bound, in the words that the QUIC transport has for it. */
export function bindProblem(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "the address is already in use";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "EACCES":
    case "EPERM":
      return "this port needs more rights";
    default:
      return error.message;
  }
}

/** Why a client's handshake failed. */
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
