import { median } from "../../sampling.ts";
import type { RunRecord } from "../contenders/run-record.ts";
import type { Direction } from "../process/lab-stream.ts";

/** The runs of one contender in one cell and direction, in one row. */
export interface ContenderSummary {
  readonly contender: string;
  readonly runs: number;
  readonly failures: number;
  /** The median; a run that failed counts as 0. */
  readonly megabitsPerSecond: number;
  /** Against the sum of the engine on each line alone, and against the best of them; undefined without these. */
  readonly ofSumSingle: number | undefined;
  readonly ofBestSingle: number | undefined;
  readonly longestGapMs: number | undefined;
  readonly worstGapMs: number | undefined;
  readonly cpuSecondsPerGigabyte: number | undefined;
  /** How many runs had each flag: "line 2 idle (3)". */
  readonly flags: readonly string[];
  readonly failure: string | undefined;
}

/** What one cell showed in one direction. */
export interface CellSummary {
  readonly cell: string;
  readonly direction: Direction;
  /** In megabits per second. */
  readonly bestSingle: number | undefined;
  readonly sumSingle: number | undefined;
  readonly contenders: readonly ContenderSummary[];
}

/** Sums up records, in the order in which cells, directions and contenders appear in them. */
export function summariesOf(records: readonly RunRecord[]): CellSummary[] {
  return [...grouped(records, (record) => `${record.cell}\n${record.direction}`).values()].map(summaryOf);
}

/** The runs of one contender. */
export function runsOf(records: readonly RunRecord[], cell: string, direction: Direction, contender: string): RunRecord[] {
  return records.filter((record) => record.cell === cell && record.direction === direction && record.contender === contender);
}

/** The median rate of some runs; undefined without any. */
export function medianRate(runs: readonly RunRecord[]): number | undefined {
  return runs.length === 0 ? undefined : median(runs.map((run) => run.megabitsPerSecond));
}

/** The value below which `share` of the values are; the highest for a share that needs more values than there are. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

/** The engine alone: best line, and the sum of all. */
export function singles(records: readonly RunRecord[], cell: string, direction: Direction): { best: number; sum: number } | undefined {
  const engines = records.filter(
    (record) => record.cell === cell && record.direction === direction && record.contender.startsWith("engine-"),
  );
  const rates = [...grouped(engines, (record) => record.contender).values()].map((runs) => medianRate(runs) ?? 0);
  if (rates.length === 0) return undefined;
  return { best: Math.max(...rates), sum: rates.reduce((total, rate) => total + rate, 0) };
}

function summaryOf(records: readonly RunRecord[]): CellSummary {
  const { cell, direction } = records[0] as RunRecord;
  const single = singles(records, cell, direction);
  const contenders = [...grouped(records, (record) => record.contender).entries()].map(([contender, runs]): ContenderSummary => {
    const megabitsPerSecond = medianRate(runs) ?? 0;
    const gaps = runs.map((run) => run.longestGapMs).filter((gap) => gap !== undefined);
    const whole = runs.filter((run) => run.failure === undefined && run.bytes > 0);
    return {
      contender,
      runs: runs.length,
      failures: runs.length - runs.filter((run) => run.failure === undefined).length,
      megabitsPerSecond,
      ofSumSingle: single === undefined || single.sum === 0 ? undefined : megabitsPerSecond / single.sum,
      ofBestSingle: single === undefined || single.best === 0 ? undefined : megabitsPerSecond / single.best,
      longestGapMs: quantile(gaps, 0.5),
      worstGapMs: quantile(gaps, 1),
      cpuSecondsPerGigabyte: whole.length === 0 ? undefined : median(whole.map((run) => (run.cpuSeconds / run.bytes) * 1e9)),
      flags: counted(runs.flatMap((run) => run.flags)),
      failure: runs.find((run) => run.failure !== undefined)?.failure,
    };
  });
  return { cell, direction, bestSingle: single?.best, sumSingle: single?.sum, contenders };
}

function counted(texts: readonly string[]): string[] {
  return [...grouped(texts, (text) => text).entries()].map(([text, all]) => `${text} (${all.length})`);
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
