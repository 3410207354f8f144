import { expect, test } from "vitest";
import { closedEarly, dialError, speaksNoKwik, unreachable } from "./dial-error.ts";

function said(code: string | undefined): string {
  const error = dialError(Object.assign(new Error("Node's text"), { code }), "host:1");
  return `${error.code}${error.remote ? " by the other side" : ""}: ${error.message}`;
}

test("a refusal, no way there, no kwik and no trust are told apart by the code of Node's error", () => {
  for (const [code, words] of [
    ["ECONNREFUSED", "UNREACHABLE by the other side: host:1 refused the connection: nobody listens there"],
    ["ECONNRESET", "UNREACHABLE by the other side: host:1 refused the connection: it closed the connection without an answer"],
    ["EPIPE", "UNREACHABLE by the other side: host:1 refused the connection: it closed the connection without an answer"],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "UNREACHABLE by the other side: host:1 refused the connection: the TLS handshake failed"],
    ["EHOSTUNREACH", "UNREACHABLE: host:1 cannot be dialled: there is no route"],
    ["ENETUNREACH", "UNREACHABLE: host:1 cannot be dialled: there is no route"],
    ["ETIMEDOUT", "UNREACHABLE: host:1 cannot be dialled: it does not answer"],
    ["EPERM", "UNREACHABLE: host:1 cannot be dialled: this machine does not allow it"],
    ["EMFILE", "UNREACHABLE: host:1 cannot be dialled: Node's text"],
    [undefined, "UNREACHABLE: host:1 cannot be dialled: Node's text"],
    ["ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "NOT_KWIK: host:1 speaks TLS but not kwik"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "NOT_KWIK: host:1 speaks TLS but not TLS 1.3"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "NOT_KWIK: host:1 does not speak TLS"],
    ["ERR_SSL_BAD_SIGNATURE", "NOT_TRUSTED: host:1 is not trusted: the TLS handshake failed (ERR_SSL_BAD_SIGNATURE)"],
    ["EPROTO", "NOT_TRUSTED: host:1 is not trusted: the TLS handshake failed (EPROTO)"],
  ] as const) {
    expect(said(code), code).toContain(words);
  }
});

test("what no error of Node stands for has its words too", () => {
  expect(closedEarly("host:1")).toMatchObject({ code: "UNREACHABLE", message: expect.stringContaining("without an answer") });
  expect(speaksNoKwik("host:1")).toMatchObject({ code: "NOT_KWIK", message: "host:1 speaks TLS but not kwik" });
  expect(unreachable("host:1", "TCP", 1_540)).toMatchObject({
    code: "UNREACHABLE",
    message: "no kwik server answered at host:1 over TCP within 1.5 s",
  });
});
