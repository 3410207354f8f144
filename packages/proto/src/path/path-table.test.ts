import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { Path } from "./path.ts";
import { PathTable } from "./path-table.ts";

function table(): { paths: PathTable<string>; make(id: number, member: number): Path<string> } {
  const paths = new PathTable<string>();
  return {
    paths,
    make(id, member) {
      const path = new Path<string>(id, member, DEFAULT_LIMITS, 0);
      paths.add(path);
      return path;
    },
  };
}

test("knows the usable paths of each member and follows their states", () => {
  const { paths, make } = table();
  const a = make(0, 1);
  const b = make(1, 1);
  const c = make(2, 2);
  expect(paths.usableOf(1)).toEqual([]);
  a.setState("active", "", 0);
  b.setState("active", "", 0);
  c.setState("active", "", 0);
  const both = paths.usableOf(1);
  expect(both).toEqual([a, b]);
  expect(paths.usableOf(1)).toBe(both);
  a.setState("degraded", "", 1);
  expect(paths.usableOf(1)).toBe(both);
  a.setState("dead", "", 2);
  expect(paths.usableOf(1)).toEqual([b]);
  expect(both).toEqual([a, b]);
  expect(paths.active()).toEqual([b, c]);
  expect(paths.dead()).toEqual([a]);
  expect(paths.ofMember(1)).toEqual([a, b]);
  expect(paths.ofMember(9)).toEqual([]);
});

test("refuses a number that exists: that is our own fault", () => {
  const { make } = table();
  make(0, 1);
  expect(() => make(0, 2)).toThrow();
});

test("forgets the oldest ended paths only", () => {
  const { paths, make } = table();
  for (let id = 0; id < 6; id += 1) make(id, 1).setState(id < 4 ? "dead" : "active", "", 0);
  expect(paths.forgetEnded(1).map((path) => path.id)).toEqual([0, 1, 2]);
  expect(paths.all().map((path) => path.id)).toEqual([3, 4, 5]);
  expect(paths.byId(0)).toBeUndefined();
  expect(paths.ofMember(1).map((path) => path.id)).toEqual([3, 4, 5]);
});
