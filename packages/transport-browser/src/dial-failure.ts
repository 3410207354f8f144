import { KwikError } from "@kwik/core";

/**
 * What a browser's refusal to make a connection object means. Browsers say as little as they can, lest pages explore networks; nothing is decided by the
 * text of their messages.
 */
export function constructionFailure(error: unknown, place: string): KwikError {
  const cause = { cause: error };
  switch ((error as { readonly name?: unknown } | null)?.name) {
    case "NotSupportedError":
      return new KwikError("NOT_SUPPORTED", "this browser's WebTransport takes no certificate hashes (trust.certificates)", cause);
    case "SecurityError":
      return new KwikError("NOT_SUPPORTED", `the browser does not let this page connect to ${place}: look at its security policy`, cause);
    case "SyntaxError":
      return new KwikError("INVALID_ARGUMENT", `"${place}" cannot stand in a URL; write a host name or an IP address without zone`, cause);
    default:
      return KwikError.from(error, "UNREACHABLE");
  }
}

/** A connection that did not come up. The browser has told the reason to its console alone. */
export function unreachable(over: "WebTransport" | "WebSocket", place: string, hasCertificates: boolean, cause?: unknown): KwikError {
  const certificate = hasCertificates
    ? "has none of the certificates in trust.certificates"
    : `has no certificate for that name that the browser believes`;
  const refusal = "refuses pages of this origin (web.allowOrigin of listen)";
  const blocked = over === "WebTransport" ? "UDP is blocked" : "the port is blocked";
  return new KwikError(
    "UNREACHABLE",
    `${place} could not be reached over ${over}, and browsers do not say why: the server is not there or serves no browsers (web of listen), ${blocked}, ` +
      `the server ${certificate}, or it ${refusal}; the browser's console may know more`,
    cause === undefined ? {} : { cause },
  );
}
