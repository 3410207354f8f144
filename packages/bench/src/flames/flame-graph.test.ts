import { expect, test } from "vitest";
import { callTreeOf, type CpuProfile } from "./call-tree.ts";
import { flameGraph } from "./flame-graph.ts";
import { hottestOf } from "./hottest.ts";

function node(id: number, functionName: string, url: string, ...children: number[]): CpuProfile["nodes"][number] {
  return { id, callFrame: { functionName, url, lineNumber: id }, children };
}

const profile: CpuProfile = {
  nodes: [
    node(1, "(root)", "", 2, 5, 6),
    node(2, "pump", "file:///x/packages/core/src/session-driver.ts", 3, 4),
    node(3, "write<T>", "file:///x/packages/proto/src/packet.ts"),
    // The same function at another place of its caller.
    node(4, "write<T>", "file:///x/packages/proto/src/packet.ts"),
    node(5, "(idle)", ""),
    node(6, "(garbage collector)", ""),
  ],
  samples: [2, 3, 4, 5, 6, 3],
  timeDeltas: [10, 20, 30, 1_000, 40, 50],
};

test("a profile becomes a tree of times, without idleness, in which one function is one wherever it is called", () => {
  const tree = callTreeOf(profile);
  expect(tree.totalUs).toBe(150);
  const pump = tree.callees.get("pump session-driver.ts");
  expect(pump).toMatchObject({ part: "core", totalUs: 110 });
  expect(pump?.callees.get("write<T> packet.ts")).toMatchObject({ part: "proto", totalUs: 100 });
  expect(tree.callees.get("(garbage collector)")).toMatchObject({ part: "collector", totalUs: 40 });
  expect(callTreeOf(profile, 0.9).totalUs).toBe(90);
});

test("the hottest functions are those with most time of their own", () => {
  expect(hottestOf(callTreeOf(profile), 2)).toEqual([
    { name: "write<T> packet.ts", part: "proto", share: 100 / 150 },
    { name: "(garbage collector)", part: "collector", share: 40 / 150 },
  ]);
});

test("the picture has a box for each function, as wide as its time, and is sound XML", () => {
  const svg = flameGraph("bulk & more", [{ title: "server", tree: callTreeOf(profile) }]);
  expect(svg).toContain("bulk &amp; more");
  expect(svg).toContain("<title>write&lt;T&gt; packet.ts 66.7 %</title>");
  const widths = [...svg.matchAll(/<title>(\S+)[^<]*<\/title><rect [^>]*width="([\d.]+)"/g)].map(([, name, width]) => [
    name,
    Number(width),
  ]);
  expect(Object.fromEntries(widths)).toMatchObject({ all: 1179.7, pump: 865.0 });
});
