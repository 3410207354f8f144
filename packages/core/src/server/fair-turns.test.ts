import { expect, test } from "vitest";
import { PlayedRuntime } from "../driver/played-runtime.fixture.ts";
import { FairTurns, type Turn, type TurnShare } from "./fair-turns.ts";

const never = (): void => {
  throw new Error("nothing is late here");
};

/** Takes as many turns as there are. */
function fill(share: TurnShare): Turn[] {
  const turns: Turn[] = [];
  for (let turn = share.begin(never); turn !== undefined; turn = share.begin(never)) turns.push(turn);
  return turns;
}

test("one network has as many turns as it leaves to others, and there are never more than the limit", () => {
  const turns = new FairTurns(12, 1_000, new PlayedRuntime());
  const taken = ["a", "b", "c", "d", "e"].map((network) => fill(turns.share(network)).length);
  expect(taken).toEqual([6, 3, 2, 1, 0]);
  expect(turns.underWay).toBe(12);
});

test("many sessions of one network have together what one of them might have", () => {
  const turns = new FairTurns(12, 1_000, new PlayedRuntime());
  let taken = 0;
  for (let count = 0; count < 50; count += 1) taken += fill(turns.share("a")).length;
  expect(taken).toBe(6);
  // Clients behind a proxy are many, and each counts for itself.
  expect([fill(turns.share(undefined)).length, fill(turns.share(undefined)).length]).toEqual([3, 2]);
});

test("a turn that is free goes to the network with the fewest, then to the session with the fewest, then to who has waited longest", () => {
  const turns = new FairTurns(8, 1_000, new PlayedRuntime());
  const woken: string[] = [];
  const [first, second, third] = [turns.share("a"), turns.share("a"), turns.share("a")];
  const held = fill(first);
  expect(held).toHaveLength(4);
  const others = ["b", "c"].flatMap((network) => fill(turns.share(network)));
  expect(turns.underWay).toBe(7);
  const waiters = { first, second, third, newcomer: turns.share("d") };
  const last = turns.share("e").begin(never);
  expect(turns.underWay).toBe(8);
  const begin = (name: keyof typeof waiters): void => {
    if (waiters[name].begin(never) === undefined) waiters[name].wait(() => begin(name));
    else woken.push(name);
  };
  for (const name of Object.keys(waiters) as (keyof typeof waiters)[]) begin(name);
  expect(woken).toEqual([]);
  held[0]?.end();
  expect(woken).toEqual(["newcomer"]);
  for (const turn of others) turn.end();
  // The network has three of five: as many as are free, and so no more.
  expect(woken).toEqual(["newcomer"]);
  for (const turn of [last, held[1], held[2]]) turn?.end();
  expect(woken).toEqual(["newcomer", "second", "third", "first"]);
});

test("a limit of one is one call at a time, and none waits for ever", () => {
  const turns = new FairTurns(1, 1_000, new PlayedRuntime());
  let done = 0;
  const ask = (share: TurnShare): void => {
    const turn = share.begin(never);
    if (turn === undefined) return share.wait(() => ask(share));
    expect(turns.underWay).toBe(1);
    done += 1;
    turn.end();
  };
  const held = turns.share("z").begin(never);
  for (let count = 0; count < 20_000; count += 1) ask(turns.share(`${count % 7}`));
  expect(done).toBe(0);
  held?.end();
  expect([done, turns.underWay]).toEqual([20_000, 0]);
});

test("a turn whose answer never comes ends with its time, and whoever waits gets it", () => {
  const time = new PlayedRuntime();
  const turns = new FairTurns(1, 1_000, time);
  const late: string[] = [];
  const turn = turns.share("a").begin(() => late.push("a"));
  const waiting = turns.share("b");
  let hasTurn = false;
  waiting.wait(() => (hasTurn = waiting.begin(never) !== undefined));
  time.pass(999);
  expect([late, hasTurn]).toEqual([[], false]);
  time.pass(1);
  expect([late, hasTurn]).toEqual([["a"], true]);
  // Its answer comes after all, and takes nobody's turn away.
  turn?.end();
  expect(turns.underWay).toBe(1);
});

test("whoever has left is not woken, and no timer is left when nobody is asked any more", () => {
  const time = new PlayedRuntime();
  const turns = new FairTurns(1, 1_000, time);
  const turn = turns.share("a").begin(never);
  const gone = turns.share("b");
  gone.wait(never);
  gone.leave();
  turn?.end();
  expect(time.timers.size).toBe(0);
  turns.share("a").begin(never);
  turns.stop();
  expect(time.timers.size).toBe(0);
});
