import { expect, test } from "vitest";
import { RefusalNotices } from "./refusal-notices.ts";

test("of many refusals each is counted, the first is told, and later how many there were", () => {
  let now = 0;
  const told: string[] = [];
  const counted: string[] = [];
  const notices = new RefusalNotices(
    { onNotice: (message) => told.push(message), onRefused: (remote, reason) => counted.push(`${remote} ${reason}`) },
    () => now,
  );
  for (let i = 0; i < 100; i += 1) notices.add(`host${i}`, "it speaks TLS but not kwik");
  expect(counted).toHaveLength(100);
  expect(counted[99]).toBe("host99 handshake");
  expect(told).toEqual(["refused a connection from host0: it speaks TLS but not kwik"]);
  now = 60_000;
  notices.add("late", "it left");
  expect(told.slice(1)).toEqual(["refused a connection from late: it left (and 99 others since the last notice)"]);
  now = 120_000;
  notices.add("later", "it left");
  expect(told.slice(2)).toEqual(["refused a connection from later: it left"]);
});
