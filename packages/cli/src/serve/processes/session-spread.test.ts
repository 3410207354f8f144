import { expect, test } from "vitest";
import { type ProcessLoad, SessionSpread } from "./session-spread.ts";

test("a process alone takes everything, and one that has little more than the others too", () => {
  const spread = new SessionSpread(() => 0);
  expect(spread.choose(1_000)).toBeUndefined();
  spread.update([
    { port: 1, sessions: 100 },
    { port: 2, sessions: 90 },
  ]);
  expect(spread.choose(101)).toBeUndefined();
  expect(spread.choose(102)).toBe(2);
  spread.update([{ port: 1, sessions: 0 }]);
  expect(spread.choose(3)).toBeUndefined();
  expect(spread.choose(4)).toBe(1);
});

test("who was sent on counts there at once, until the others have told of him", () => {
  let now = 0;
  const spread = new SessionSpread(() => now);
  spread.update([
    { port: 1, sessions: 0 },
    { port: 2, sessions: 1 },
  ]);
  expect([spread.choose(5), spread.choose(5), spread.choose(5), spread.choose(5)]).toEqual([1, 1, 2, undefined]);
  spread.update([
    { port: 1, sessions: 2 },
    { port: 2, sessions: 1 },
  ]);
  expect(spread.choose(5)).toBeUndefined();
  // The one that was sent to the second never arrived.
  now = 5_000;
  expect([spread.choose(5), spread.choose(5)]).toEqual([2, undefined]);
});

test("a crowd that dials one of eight processes at once ends up on all of them, none with a quarter more than its share", () => {
  let now = 0;
  const sessions = new Map<number, number>();
  for (let port = 0; port < 8; port += 1) sessions.set(port, 0);
  const spread = new SessionSpread(() => now);
  const report = (): ProcessLoad[] => [...sessions].filter(([port]) => port !== 0).map(([port, count]) => ({ port, sessions: count }));
  const arriving: { readonly port: number; readonly atMs: number }[] = [];
  spread.update(report());
  // Ten in a millisecond; who is sent on arrives 30 ms later, and the others tell of it every 50 ms.
  for (let dialled = 0; dialled < 8_000; dialled += 1) {
    if (dialled % 10 === 0) now += 1;
    while (arriving[0] !== undefined && arriving[0].atMs <= now) {
      const { port } = arriving.shift() as { port: number };
      sessions.set(port, (sessions.get(port) ?? 0) + 1);
    }
    if (now % 50 === 0) spread.update(report());
    const port = spread.choose(sessions.get(0) ?? 0);
    if (port === undefined) sessions.set(0, (sessions.get(0) ?? 0) + 1);
    else arriving.push({ port, atMs: now + 30 });
  }
  for (const { port } of arriving) sessions.set(port, (sessions.get(port) ?? 0) + 1);
  expect(Math.max(...sessions.values())).toBeLessThan(1_250);
  expect(Math.min(...sessions.values())).toBeGreaterThan(750);
});
