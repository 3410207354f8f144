import { expect, test } from "vitest";
import { SendBudget, SendPool } from "./send-budget.ts";

const KiB = 1024;

/** A writer that counts how often it was told. */
function writer(): { told: number; update(): void } {
  const one = {
    told: 0,
    update: () => {
      one.told += 1;
    },
  };
  return one;
}

test("a session has room up to its maximum, and its writers hear of it when a tenth is free again", () => {
  const budget = new SendBudget(1_000 * KiB, undefined);
  const user = writer();
  budget.change(1_000 * KiB);
  expect(budget.hasRoom).toBe(false);
  budget.wait(user);
  budget.change(-50 * KiB);
  expect([budget.hasRoom, user.told]).toEqual([true, 0]);
  budget.change(-60 * KiB);
  expect(user.told).toBe(1);
  budget.change(-60 * KiB);
  expect(user.told).toBe(1);
});

test("where all together have too much, each goes on with a little, and the others hear when there is room again", () => {
  const pool = new SendPool(1_000 * KiB);
  const [greedy, modest, late] = [0, 0, 0].map(() => new SendBudget(10_000 * KiB, pool)) as [SendBudget, SendBudget, SendBudget];
  greedy.change(950 * KiB);
  modest.change(100 * KiB);
  expect([greedy.hasRoom, modest.hasRoom, late.hasRoom]).toEqual([false, true, true]);
  late.change(300 * KiB);
  expect(late.hasRoom).toBe(false);
  const users = [writer(), writer()] as const;
  greedy.wait(users[0]);
  late.wait(users[1]);
  late.change(-60 * KiB);
  expect(users.map((user) => user.told)).toEqual([0, 1]); // it has its little again
  greedy.change(-500 * KiB);
  expect(users.map((user) => user.told)).toEqual([1, 1]);
  expect(pool.bytes).toBe(950 * KiB + 100 * KiB + 240 * KiB - 500 * KiB);
});

test("a session that ends gives everything back, once, and wakes those who waited for it", () => {
  const pool = new SendPool(500 * KiB);
  const [dying, waiting] = [new SendBudget(10_000 * KiB, pool), new SendBudget(10_000 * KiB, pool)];
  dying.change(450 * KiB);
  waiting.change(300 * KiB);
  const user = writer();
  waiting.wait(user);
  dying.end();
  dying.change(-450 * KiB);
  dying.end();
  expect([pool.bytes, user.told]).toEqual([300 * KiB, 1]);
});

test("a writer that changes what it holds while it is told does not count twice", () => {
  const budget = new SendBudget(300 * KiB, undefined);
  budget.change(300 * KiB);
  budget.wait({ update: () => budget.change(-20 * KiB) });
  budget.change(-100 * KiB);
  expect(budget.bytes).toBe(180 * KiB);
});
