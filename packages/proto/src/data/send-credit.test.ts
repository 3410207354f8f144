import { expect, test } from "vitest";
import { SendCredit } from "./send-credit.ts";

test("tells once for each limit that it is blocked", () => {
  const credit = new SendCredit(100);
  expect(credit.takeBlocked()).toBeUndefined();
  credit.use(100);
  expect([credit.isBlocked, credit.available]).toEqual([true, 0]);
  expect(credit.takeBlocked()).toBe(100);
  expect(credit.takeBlocked()).toBeUndefined();
  expect(credit.raise(100)).toBe(false);
  expect(credit.raise(150)).toBe(true);
  expect([credit.isBlocked, credit.available]).toEqual([false, 50]);
  credit.use(50);
  expect(credit.takeBlocked()).toBe(150);
});

test("using more than there is, is a bug of the caller", () => {
  const credit = new SendCredit(10);
  expect(() => credit.use(11)).toThrow("credit for 10");
});
