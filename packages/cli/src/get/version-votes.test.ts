import { expect, test } from "vitest";
import { VersionVotes } from "./version-votes.ts";

function votesOf(...votes: [version: string, server: string][]): VersionVotes {
  const all = new VersionVotes();
  for (const [version, server] of votes) all.add({ version, server, address: server });
  return all;
}

test("two that agree outvote one, and not two", () => {
  const votes = votesOf(["v2", "a"], ["v2", "b"]);
  expect(votes.outvoting(1)).toEqual({ version: "v2", servers: 2 });
  expect(votes.outvoting(2)).toBeUndefined();
});

test("who has a vote alone, or two addresses, outvotes nobody", () => {
  expect(votesOf(["v2", "a"], ["v3", "b"]).outvoting(1)).toBeUndefined();
  expect(votesOf(["v2", "a"], ["v2", "a"]).outvoting(1)).toBeUndefined();
  expect(votesOf(["v2", "a"]).outvoting(0)).toBeUndefined();
});

test("of several versions the one that most have wins", () => {
  const votes = votesOf(["v2", "a"], ["v2", "b"], ["v3", "c"], ["v3", "d"], ["v3", "e"]);
  expect(votes.outvoting(1)).toEqual({ version: "v3", servers: 3 });
  expect(votes.count).toBe(5);
});
