import type { CellSummary } from "./cell-summary.ts";
import { MEASURE_NAMES, type Verdict } from "./verdict.ts";

/** Heads of the table of results. */
export const RESULT_HEAD: readonly string[] = ["cell", "contender", "Mbit/s", "/ SumSingle", "/ best", "gap p50, worst", "CPU s/GB", ""];

/** One row per cell, direction and contender. */
export function resultRows(summaries: readonly CellSummary[]): string[][] {
  return summaries.flatMap((summary) =>
    summary.contenders.map((one) => [
      `${summary.cell} ${summary.direction}`,
      one.contender,
      one.megabitsPerSecond.toFixed(1),
      one.ofSumSingle?.toFixed(2) ?? "",
      one.ofBestSingle?.toFixed(2) ?? "",
      one.longestGapMs === undefined ? "" : `${one.longestGapMs.toFixed(0)}, ${one.worstGapMs?.toFixed(0) ?? ""} ms`,
      one.cpuSecondsPerGigabyte?.toFixed(1) ?? "",
      [...one.flags, ...(one.failures > 0 ? [`${one.failures} of ${one.runs} failed: ${one.failure ?? ""}`] : [])].join("; "),
    ]),
  );
}

/** Heads of the table of bars. */
export const BAR_HEAD: readonly string[] = ["cell", "contender", "measure", "bar", "seen", ""];

/** One row per bar and contender. */
export function barRows(verdicts: readonly Verdict[]): string[][] {
  return verdicts.map((verdict) => [
    `${verdict.cell} ${verdict.direction}`,
    verdict.contender,
    MEASURE_NAMES[verdict.measure],
    `${verdict.kind === "at least" ? "≥" : "≤"} ${shortNumber(verdict.limit)}`,
    verdict.value === undefined ? "not measured" : shortNumber(verdict.value),
    verdict.isMet === undefined ? "" : verdict.isMet ? "met" : "MISSED",
  ]);
}

function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "never";
  return Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toFixed(3)).toString();
}
