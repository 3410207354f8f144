import { expect, test } from "vitest";
import type { Cell } from "../cells/cell.ts";
import type { RunRecord } from "../contenders/run-record.ts";
import { svgOf } from "./bar-chart.ts";
import { summariesOf } from "./cell-summary.ts";
import { merged } from "./lab-results.ts";
import { pageOf } from "./results-page.ts";
import { csvOf, recordsOf } from "./run-csv.ts";
import { verdictsOf } from "./verdict.ts";

const cell: Cell = {
  name: "1 equal/2 × 100",
  lines: [{ megabitsPerSecond: 100, roundTripMs: 10 }, { megabitsPerSecond: 100 }],
  directions: ["down"],
  bars: [
    { measure: "of-sum-single", kind: "at least", limit: 0.97 },
    { measure: "gap-p99-ms", kind: "at most", limit: 1000 },
  ],
};

function record(contender: string, megabitsPerSecond: number, more: Partial<RunRecord> = {}): RunRecord {
  return {
    cell: cell.name,
    contender,
    direction: "down",
    repeat: 1,
    bytes: 1000,
    seconds: 1,
    megabitsPerSecond,
    lineBytes: [10, 20],
    worstRoundTripMs: [12.5, 1],
    usualRoundTripMs: [11, 1],
    cpuSeconds: 0.5,
    flags: [],
    events: [],
    ...more,
  };
}

const engines = [record("engine-1", 95), record("engine-2", 105)];

test("judges by the median of the runs against the sum of the engine's lines", () => {
  const runs = [190, 196, 150].map((rate, index) => record("kwik-home", rate, { repeat: index + 1, longestGapMs: 50 }));
  const [rate, gap] = verdictsOf([cell], [...engines, ...runs]);
  expect(rate).toMatchObject({ contender: "kwik-home", value: 0.95, isMet: false });
  expect(gap).toMatchObject({ value: 50, isMet: true });
});

test("counts a run that failed as no rate and an endless gap", () => {
  const [rate, gap] = verdictsOf([cell], [...engines, record("kwik-home", 0, { failure: "it broke", longestGapMs: 5 })]);
  expect(rate).toMatchObject({ value: 0, isMet: false });
  expect(gap).toMatchObject({ value: Infinity, isMet: false });
});

test("has no verdict on who did not run, and none without the engine", () => {
  expect(verdictsOf([cell], engines)).toEqual([]);
  expect(verdictsOf([cell], [record("kwik-home", 190)])[0]?.isMet).toBeUndefined();
});

test("reads back the CSV that it writes", () => {
  const records = [
    record("kwik-home", 190.25, { flags: ["line 2 idle", "1 of 2 further subflows"], failure: 'so, "it" broke', recoveredMs: 12 }),
  ];
  expect(recordsOf(csvOf(records))).toEqual(records);
  expect(recordsOf("a,b\n1,2\n")).toEqual([]);
});

test("new rows replace those of the same contender, others stay, those of unknown cells go", () => {
  const old = [record("kwik-home", 1), record("kwik-home", 2, { repeat: 2 }), record("tcp", 3), record("tcp", 4, { cell: "gone" })];
  expect(merged(old, [record("kwik-home", 5)], [cell]).map(({ megabitsPerSecond }) => megabitsPerSecond)).toEqual([5, 3]);
});

test("sums up each contender with its flags and failures", () => {
  const [summary] = summariesOf([
    ...engines,
    record("mptcp", 150, { flags: ["line 2 idle"] }),
    record("mptcp", 0, { repeat: 2, failure: "no" }),
  ]);
  expect(summary?.sumSingle).toBe(200);
  expect(summary?.contenders.at(-1)).toMatchObject({ contender: "mptcp", runs: 2, failures: 1, flags: ["line 2 idle (1)"], failure: "no" });
});

test("writes a page with every row and a chart with every bar", () => {
  const records = [...engines, record("kwik-home", 190), record("aria2", 100)];
  const page = pageOf(summariesOf(records), verdictsOf([cell], records), { emulator: ["fast"], versions: [], notes: [], charts: [] });
  expect(page).toContain("| 1 equal/2 × 100 down | aria2 | 100.0 | 0.50 |");
  expect(page).toContain("| 0.95 | MISSED |");
  const svg = svgOf({ title: "a<b", unit: "x", digits: 2, mark: 1, rows: [{ label: "one", bars: [{ name: "kwik", value: 0.5 }] }] });
  expect(svg).toContain("a&lt;b: x");
  expect(svg.match(/<rect/g)).toHaveLength(3);
});
