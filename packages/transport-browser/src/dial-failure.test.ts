import { expect, test } from "vitest";
import { constructionFailure, unreachable } from "./dial-failure.ts";

function named(name: string): Error {
  return Object.assign(new Error("some words of a browser"), { name });
}

test.each([
  ["NotSupportedError", "NOT_SUPPORTED"],
  ["SecurityError", "NOT_SUPPORTED"],
  ["SyntaxError", "INVALID_ARGUMENT"],
  ["TypeError", "UNREACHABLE"],
])("a browser's %s is %s", (name, code) => {
  const cause = named(name);
  expect(constructionFailure(cause, "h:1")).toMatchObject({ code, cause });
});

test("what cannot be told apart is told together", () => {
  const all = unreachable("WebTransport", "h:1", true).message;
  for (const words of ["h:1", "serves no browsers", "UDP is blocked", "none of the certificates in trust.certificates", "web.allowOrigin"])
    expect(all).toContain(words);
  expect(unreachable("WebSocket", "h:1", false).message).toContain("no certificate for that name that the browser believes");
});
