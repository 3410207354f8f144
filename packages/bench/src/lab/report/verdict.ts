import { median } from "../../sampling.ts";
import type { Bar, BarMeasure, Cell } from "../cells/cell.ts";
import type { RunRecord } from "../contenders/run-record.ts";
import type { Line } from "../network/line.ts";
import type { Direction } from "../process/lab-stream.ts";
import { medianRate, quantile, runsOf, singles } from "./cell-summary.ts";

/** Whether a contender met a bar. */
export interface Verdict {
  readonly cell: string;
  readonly direction: Direction;
  readonly contender: string;
  readonly measure: BarMeasure;
  readonly kind: Bar["kind"];
  readonly limit: number;
  /** Undefined where what it needs was not measured. */
  readonly value: number | undefined;
  readonly isMet: boolean | undefined;
}

/** What a measure is about, for tables. */
export const MEASURE_NAMES: Readonly<Record<BarMeasure, string>> = {
  "of-sum-single": "rate / SumSingle",
  "of-best-single": "rate / best single",
  seconds: "seconds",
  "gap-p50-ms": "longest gap, p50, ms",
  "gap-p99-ms": "longest gap, p99, ms",
  "recovered-ms": "line in use again after, worst, ms",
  "first-byte-of-one": "first byte / first byte of one path",
  "of-default-window": "rate / rate with the default window",
  "queue-of-bdp": "added queueing delay / bandwidth-delay product",
  "tail-share": "time of the last twentieth / its share",
  "duplicate-share": "bytes sent twice / bytes",
  "of-tcp-flow": "rate / rate of the TCP flow beside",
  "of-link": "rate / rate of the line",
};

const KWIK = ["kwik-home", "kwik-servers"];

/** Judges the cells' bars from the medians of all runs. A contender that did not run in a cell has no verdict there. */
export function verdictsOf(cells: readonly Cell[], records: readonly RunRecord[]): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const cell of cells) {
    for (const direction of cell.directions) {
      for (const bar of cell.bars) {
        for (const contender of bar.contenders ?? KWIK) {
          const runs = runsOf(records, cell.name, direction, contender);
          if (runs.length === 0) continue;
          const value = seenValue(bar.measure, { cell, direction, contender, runs, records });
          const isMet = value === undefined ? undefined : bar.kind === "at least" ? value >= bar.limit : value <= bar.limit;
          verdicts.push({ cell: cell.name, direction, contender, measure: bar.measure, kind: bar.kind, limit: bar.limit, value, isMet });
        }
      }
    }
  }
  return verdicts;
}

interface Judged {
  readonly cell: Cell;
  readonly direction: Direction;
  readonly contender: string;
  readonly runs: readonly RunRecord[];
  readonly records: readonly RunRecord[];
}

function seenValue(measure: BarMeasure, judged: Judged): number | undefined {
  const { cell, direction, contender, runs, records } = judged;
  const rate = medianRate(runs) ?? 0;
  const rateOfOther = (name: string): number | undefined => medianRate(runsOf(records, cell.name, direction, name));
  switch (measure) {
    case "of-sum-single":
      return ratio(rate, singles(records, cell.name, direction)?.sum);
    case "of-best-single":
      return ratio(rate, singles(records, cell.name, direction)?.best);
    case "seconds":
      return median(runs.map((run) => (run.failure === undefined ? run.seconds : Infinity)));
    case "gap-p50-ms":
      return quantile(runs.map(gapOf), 0.5);
    case "gap-p99-ms":
      return quantile(runs.map(gapOf), 0.99);
    case "recovered-ms":
      return Math.max(...runs.map((run) => run.recoveredMs ?? Infinity));
    case "first-byte-of-one":
      return ratio(medianFirstByte(runs), medianFirstByte(runsOf(records, cell.name, direction, "kwik-one")));
    case "of-default-window": {
      const small = rateOfOther(`${contender}-small`);
      return small === undefined ? undefined : ratio(small, rate);
    }
    case "queue-of-bdp":
      return median(runs.map((run) => addedQueue(run, cell.lines)));
    case "tail-share":
      return median(runs.map((run) => (run.lastTwentiethMs === undefined ? Infinity : run.lastTwentiethMs / (run.seconds * 50))));
    case "duplicate-share":
      return median(runs.map((run) => (run.bytes === 0 ? Infinity : (run.duplicateBytes ?? 0) / run.bytes)));
    case "of-tcp-flow":
      return median(runs.map((run) => run.megabitsPerSecond / Math.max(run.besideMegabitsPerSecond ?? 0, 0.001)));
    case "of-link":
      return ratio(rate, cell.lines[0]?.megabitsPerSecond);
  }
}

/** A run that failed has a gap without end. */
function gapOf(run: RunRecord): number {
  return run.failure === undefined ? (run.longestGapMs ?? Infinity) : Infinity;
}

function medianFirstByte(runs: readonly RunRecord[]): number {
  return median(runs.map((run) => run.firstByteMs ?? Infinity));
}

/** The worst over all lines. A queue of one product takes one round trip to run out. */
function addedQueue(run: RunRecord, lines: readonly Line[]): number {
  const queues = lines.map((line, index) => {
    const idleMs = line.roundTripMs ?? 0;
    return ((run.worstRoundTripMs[index] ?? 0) - idleMs - (line.jitterMs ?? 0)) / Math.max(idleMs, 1);
  });
  return Math.max(0, ...queues);
}

function ratio(value: number, base: number | undefined): number | undefined {
  return base === undefined || base === 0 || !Number.isFinite(base) ? undefined : value / base;
}
