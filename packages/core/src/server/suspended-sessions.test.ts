import { expect, test } from "vitest";
import { SuspendedSessions } from "./suspended-sessions.ts";

/** Suspends sessions with these names, each of the party that its first letter names, and answers who was given up, in order. */
function givenUp(max: number, names: readonly string[]): { readonly lost: readonly string[]; readonly sessions: SuspendedSessions } {
  const sessions = new SuspendedSessions(max);
  const lost: string[] = [];
  for (const name of names) {
    const session = {
      giveUp: (): void => {
        lost.push(name);
        sessions.ended(session, true);
      },
    };
    sessions.suspended(session, name.charAt(0));
  }
  return { lost, sessions };
}

// spec: RESUME-8
test.each([
  ["who has most loses its oldest, though others have waited longer", 4, ["a1", "b1", "c1", "c2", "c3", "c4"], ["c1", "c2"]],
  ["a newcomer finds a place as long as somebody has more", 3, ["a1", "a2", "a3", "b1", "c1"], ["a1", "a2"]],
  ["of parties that have as many, the one that has waited longest loses", 2, ["a1", "b1", "c1"], ["a1"]],
  ["one party alone loses its oldest", 2, ["a1", "a2", "a3"], ["a1"]],
  ["without places nobody is kept", 0, ["a1", "b1"], ["a1", "b1"]],
])("%s", (_, max, names, lost) => {
  const outcome = givenUp(max, names);
  expect(outcome.lost).toEqual(lost);
  expect(outcome.sessions).toMatchObject({ count: Math.min(max, names.length), expired: lost.length, resumed: 0 });
});

test("who comes back, or ends, counts no more for its party", () => {
  const sessions = new SuspendedSessions(3);
  const lost: string[] = [];
  const session = (name: string): { giveUp(): void } => ({ giveUp: () => void lost.push(name) });
  const [a1, a2, a3, b1] = [session("a1"), session("a2"), session("a3"), session("b1")];
  for (const one of [a1, a2, a3]) sessions.suspended(one, "a");
  sessions.hasPath(a1);
  sessions.ended(a2, false);
  sessions.ended(a2, false);
  sessions.suspended(b1, "b");
  sessions.suspended(session("b2"), "b");
  expect(lost).toEqual([]);
  sessions.suspended(session("c1"), "c");
  expect(lost).toEqual(["b1"]);
  expect(sessions).toMatchObject({ resumed: 1, expired: 0 });
});
