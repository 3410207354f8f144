import { expect, test } from "vitest";
import { RangeTurns } from "./range-turns.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const { signal } = new AbortController();

test("a session that asks for much has a few at once, and another's turn comes next", async () => {
  const turns = new RangeTurns(4, 3);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (session: string): void =>
    void turns.run(session, signal, () => {
      begun.push(session);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  for (let count = 0; count < 100; count += 1) ask("greedy");
  await settle();
  expect(begun).toEqual(["greedy", "greedy", "greedy"]);
  ask("other");
  ask("other");
  await settle();
  expect(begun.slice(3)).toEqual(["other"]);
  ends[0]?.();
  await settle();
  expect(begun.slice(4)).toEqual(["greedy"]);
  ends[1]?.();
  await settle();
  expect(begun.slice(5)).toEqual(["other"]);
});

test("who gives up before its turn has none, and fails with the reason", async () => {
  const turns = new RangeTurns(1, 1);
  const first = Promise.withResolvers<void>();
  const done = turns.run("a", signal, () => first.promise);
  const late = new AbortController();
  const waiting = turns.run("b", late.signal, () => Promise.resolve("ran"));
  late.abort(new Error("late"));
  await expect(waiting).rejects.toThrow("late");
  first.resolve();
  await done;
  expect(await turns.run("b", signal, () => Promise.resolve("ran"))).toBe("ran");
});
