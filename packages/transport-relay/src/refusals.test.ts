import { KwikError } from "@kwik/core";
import { expect, test } from "vitest";
import { Refusals } from "./refusals.ts";

test("what would only be refused again is not asked again for half a minute; what may pass is", () => {
  let now = 0;
  const refusals = new Refusals(() => now);
  const refused = new KwikError("ADDRESS_REFUSED", "not on the list");
  refusals.remember("a", refused);
  refusals.remember("b", new KwikError("UNREACHABLE", "nobody answers"));
  expect(refusals.of("a")).toBe(refused);
  expect(refusals.of("b")).toBeUndefined();
  now = 29_999;
  expect(refusals.of("a")).toBe(refused);
  now = 30_000;
  expect(refusals.of("a")).toBeUndefined();
});

test("the memory of refusals is bounded", () => {
  const refusals = new Refusals(() => 0);
  const refused = new KwikError("AUTH_REFUSED", "no");
  for (let i = 0; i <= 1_000; i += 1) refusals.remember(String(i), refused);
  expect(refusals.of("1")).toBeUndefined();
  expect(refusals.of("1000")).toBe(refused);
});
