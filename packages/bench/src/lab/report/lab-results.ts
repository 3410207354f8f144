import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cell } from "../cells/cell.ts";
import type { RunRecord } from "../contenders/run-record.ts";
import { type Calibration, sentencesOf } from "../network/calibration.ts";
import { type Chart, svgOf } from "./bar-chart.ts";
import { type CellSummary, summariesOf } from "./cell-summary.ts";
import { pageOf } from "./results-page.ts";
import { csvOf, recordsOf } from "./run-csv.ts";
import { verdictsOf } from "./verdict.ts";

/** Everything that a run of the laboratory gave. */
export interface LabResults {
  readonly calibration: Calibration;
  readonly versions: readonly string[];
  readonly cells: readonly Cell[];
  readonly records: readonly RunRecord[];
  /** What makes results doubtful. */
  readonly notes: readonly string[];
}

/** Below the page's own. */
const DATA_DIRECTORY = "lab";
/** Faults are about gaps, everything else about rates. */
const GAP_GROUP = "6 faults";

/**
 * Writes laboratory.md into `directory`, and lab/runs.csv and a chart for each group of cells beside it. Rows of contenders in cells that
 * were not run this time stay. `known`: all cells that there are, in order.
 */
export function writeResults(directory: string, results: LabResults, known: readonly Cell[]): void {
  const data = join(directory, DATA_DIRECTORY);
  mkdirSync(data, { recursive: true });
  const file = join(data, "runs.csv");
  const records = merged(existsSync(file) ? recordsOf(readFileSync(file, "utf8")) : [], results.records, known);
  writeFileSync(file, csvOf(records));
  for (const old of readdirSync(data).filter((name) => name.endsWith(".svg"))) rmSync(join(data, old));
  const summaries = summariesOf(records);
  const charts = chartsOf(summaries).map(([name, chart]): readonly [string, string] => {
    writeFileSync(join(data, name), svgOf(chart));
    return [chart.title, `${DATA_DIRECTORY}/${name}`];
  });
  const { calibration, versions, notes } = results;
  const page = pageOf(summaries, verdictsOf(known, records), { emulator: sentencesOf(calibration), versions, notes, charts });
  writeFileSync(join(directory, "laboratory.md"), page);
}

/** New rows replace those of the same contender in the same cell; the order is that of the cells. */
export function merged(old: readonly RunRecord[], fresh: readonly RunRecord[], known: readonly Cell[]): RunRecord[] {
  const key = (record: RunRecord): string => `${record.cell}\n${record.contender}\n${record.direction}`;
  const replaced = new Set(fresh.map(key));
  const place = new Map(known.map((cell, index) => [cell.name, index]));
  return [...old.filter((record) => !replaced.has(key(record)) && place.has(record.cell)), ...fresh].sort(
    (a, b) =>
      (place.get(a.cell) ?? 0) - (place.get(b.cell) ?? 0) ||
      a.direction.localeCompare(b.direction) ||
      a.contender.localeCompare(b.contender) ||
      a.repeat - b.repeat,
  );
}

function chartsOf(summaries: readonly CellSummary[]): (readonly [string, Chart])[] {
  const groups = [...new Set(summaries.map((summary) => groupOf(summary.cell)))];
  return groups.flatMap((group): (readonly [string, Chart])[] => {
    const members = summaries.filter((summary) => groupOf(summary.cell) === group);
    const isGap = group === GAP_GROUP;
    const hasSingles = members.every((summary) => summary.sumSingle !== undefined);
    const rows = members.map((summary) => ({
      label: `${summary.cell.slice(group.length + 1)} ${summary.direction}`,
      bars: summary.contenders
        .filter((one) => !one.contender.startsWith("engine-"))
        .map((one) => ({
          name: one.contender,
          value: isGap ? (one.longestGapMs ?? 0) : hasSingles ? (one.ofSumSingle ?? 0) : one.megabitsPerSecond,
          isFailure: one.failures * 2 > one.runs,
        })),
    }));
    const unit = isGap ? "longest gap in delivery, median, ms" : hasSingles ? "rate / SumSingle" : "Mbit/s";
    const base = { title: group, unit, rows, digits: isGap || !hasSingles ? 0 : 2 };
    return [[`${group.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}.svg`, hasSingles && !isGap ? { ...base, mark: 1 } : base]];
  });
}

function groupOf(cell: string): string {
  return cell.slice(0, cell.indexOf("/"));
}
