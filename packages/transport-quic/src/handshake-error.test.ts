import { expect, test } from "vitest";
import { EventType } from "./engine/binding.ts";
import { handshakeError } from "./handshake-error.ts";

function codeOf(errorCode: number, errorReason = ""): string {
  const event = { eventType: EventType.close, connHandle: 0, streamId: -1, meta: { errorCode, errorReason } };
  const error = handshakeError(event, "host:1", "name.example");
  return `${error.code} ${error.message}`;
}

test("each TLS refusal has a code and a sentence that says what was wrong", () => {
  expect(codeOf(298)).toMatch(/^NOT_TRUSTED .*name\.example/);
  expect(codeOf(301)).toMatch(/^NOT_TRUSTED .*expired/);
  expect(codeOf(304)).toMatch(/^NOT_TRUSTED .*authority/);
  expect(codeOf(296)).toMatch(/^NOT_TRUSTED .*alert 40/);
  expect(codeOf(376)).toMatch(/^NOT_KWIK/);
  expect(codeOf(2, "full")).toMatch(/^UNREACHABLE .*full/);
});
