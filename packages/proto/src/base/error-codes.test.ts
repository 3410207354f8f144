import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ErrorCode, errorName } from "./error-codes.ts";

const page = readFileSync(new URL("../../../../docs/protocol/errors.md", import.meta.url), "utf8");

test("the specification's table of codes is the code's", () => {
  const rows = [...page.matchAll(/^\| `(0x[0-9a-f]{2})` \| ([A-Z_]+) \|/gm)].map(([, code, name]) => [name, Number(code)]);
  expect(Object.fromEntries(rows)).toEqual(ErrorCode);
});

// spec: ERROR-1, CTRL-15
test("a code that is not in the table counts as INTERNAL_ERROR", () => {
  expect([errorName(0), errorName(0x20), errorName(0x21), errorName(12_345)]).toEqual([
    "NO_ERROR",
    "APPLICATION",
    "INTERNAL_ERROR",
    "INTERNAL_ERROR",
  ]);
});
