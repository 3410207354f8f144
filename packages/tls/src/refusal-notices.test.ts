import { expect, test } from "vitest";
import { RefusalNotices } from "./refusal-notices.ts";

test("of many refusals the first is told, and later how many there were", () => {
  let now = 0;
  const told: string[] = [];
  const notices = new RefusalNotices(
    (message) => told.push(message),
    () => now,
  );
  for (let i = 0; i < 100; i += 1) notices.add(`host${i}`, "it speaks TLS but not kwik");
  expect(told).toEqual(["refused a connection from host0: it speaks TLS but not kwik"]);
  now = 60_000;
  notices.add("late", "it left");
  expect(told.slice(1)).toEqual(["refused a connection from late: it left (and 99 others since the last notice)"]);
  now = 120_000;
  notices.add("later", "it left");
  expect(told.slice(2)).toEqual(["refused a connection from later: it left"]);
});
