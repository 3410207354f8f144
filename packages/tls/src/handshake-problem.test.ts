import { expect, test } from "vitest";
import { handshakeProblem } from "./handshake-problem.ts";

test("a client's failed handshake has a reason in words", () => {
  for (const [code, words] of [
    ["ERR_TLS_HANDSHAKE_TIMEOUT", "it did not finish its handshake in time"],
    ["ECONNRESET", "it left during the handshake"],
    ["EPIPE", "it left during the handshake"],
    ["ERR_SSL_NO_APPLICATION_PROTOCOL", "it speaks TLS but not kwik"],
    ["ERR_SSL_UNSUPPORTED_PROTOCOL", "it does not offer TLS 1.3"],
    ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", "it gave the handshake up (ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE)"],
    ["ERR_SSL_HTTP_REQUEST", "it does not speak TLS (ERR_SSL_HTTP_REQUEST)"],
    ["EMFILE", "Node's text"],
  ] as const) {
    expect(handshakeProblem(Object.assign(new Error("Node's text"), { code }))).toBe(words);
  }
});
