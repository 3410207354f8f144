import { KwikError } from "kwik";
import { expect, test } from "vitest";
import { CommandError, ExitStatus, exitStatusOf } from "./exit-status.ts";

test.each([
  [new CommandError(ExitStatus.notFound, "there is no such file"), ExitStatus.notFound],
  [new KwikError("NOT_SUPPORTED", "the transport quic does not work on this machine"), ExitStatus.usage],
  [new KwikError("NOT_SUPPORTED", "the server cannot do that", { remote: true }), ExitStatus.unreachable],
  [new KwikError("NOT_TRUSTED", "another key"), ExitStatus.untrusted],
  [new KwikError("TIMEOUT", "silence"), ExitStatus.unreachable],
  [Object.assign(new Error("ENOSPC"), { errno: -28 }), ExitStatus.local],
  [new TypeError("a bug"), ExitStatus.fault],
  ["thrown text", ExitStatus.fault],
])("%s has status %i", (error, status) => {
  expect(exitStatusOf(error)).toBe(status);
});
