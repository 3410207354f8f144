import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { barCells } from "./cells/bar-cells.ts";
import { bytesOf, type Cell, repeatsOf, sumRateOf } from "./cells/cell.ts";
import { faultCells } from "./cells/fault-cells.ts";
import { profileCells } from "./cells/profile-cells.ts";
import { ContentFile } from "./contenders/content-file.ts";
import { contendersOf } from "./contenders/contender.ts";
import type { RunRecord } from "./contenders/run-record.ts";
import { calibrate, type Calibration, sentencesOf } from "./network/calibration.ts";
import { LabNetwork } from "./network/lab-network.ts";
import { prepareTools, toolVersions } from "./network/lab-tools.ts";
import { compileEmulator } from "./network/link-emulator.ts";
import { type LabResults, writeResults } from "./report/lab-results.ts";
import { textOfResults } from "./report/text-table.ts";
import { runCell } from "./run-cell.ts";

/** What of the laboratory is to be run, and where its results go. */
export interface LabOptions {
  /** Cells whose name contains this, or matches it as a regular expression. Default: all. */
  readonly only?: string | undefined;
  /** Instead of each cell's own number. */
  readonly repeats?: number | undefined;
  /** Names of contenders, or what they begin with: "kwik", "engine". Default: all. */
  readonly contenders?: readonly string[] | undefined;
  /** One JSON object on standard output instead of tables. */
  readonly json: boolean;
  /** A directory for the CSV, the charts and the page. Default: none are written. */
  readonly out?: string | undefined;
}

/** Start and end of the processes of one run, about. */
const STARTING_SECONDS = 2.5;
const CALIBRATION_SECONDS = 15;

/** Exit status when the laboratory cannot work on this machine, and when it was interrupted. */
const UNUSABLE = 8;
const INTERRUPTED = 7;

const labCells: readonly Cell[] = [...barCells, ...profileCells, ...faultCells];

/**
 * Runs the laboratory and prints the results on standard output. Answers the exit status: 0 when everything was measured (whether bars
 * were met or not), 1 when a run failed, 2 when nothing matches, 7 after an interruption, 8 where it cannot work.
 */
export async function runLab(options: LabOptions): Promise<number> {
  const cells = chosenCells(options.only);
  if (cells.length === 0) {
    say(`no cell matches "${options.only ?? ""}"; there are\n${labCells.map((cell) => `  ${cell.name}`).join("\n")}`);
    return 2;
  }
  const obstacle = prepareTools();
  if (obstacle !== undefined) {
    say(obstacle);
    return UNUSABLE;
  }
  LabNetwork.removeStale();
  const seconds = estimatedSeconds(cells, options);
  say(`${cells.length} ${cells.length === 1 ? "cell" : "cells"}, about ${Math.ceil(seconds / 60)} minutes`);
  using place = new LabPlace();
  const emulator = compileEmulator(place.directory);
  const calibration = await calibrate(emulator, (networks) => (place.networks = networks));
  for (const sentence of sentencesOf(calibration)) say(sentence);
  const results = await runCells(cells, options, place, emulator, calibration);
  if (options.out !== undefined) writeResults(options.out, results, labCells);
  process.stdout.write(options.json ? `${JSON.stringify(results)}\n` : `${textOfResults(results)}\n`);
  if (place.interrupted.signal.aborted) return INTERRUPTED;
  return results.records.some((record) => record.failure !== undefined) ? 1 : 0;
}

async function runCells(
  cells: readonly Cell[],
  options: LabOptions,
  place: LabPlace,
  emulator: string,
  calibration: Calibration,
): Promise<LabResults> {
  const files = new ContentFile(place.directory);
  const records: RunRecord[] = [];
  const notes: string[] = [];
  for (const [index, cell] of cells.entries()) {
    if (place.interrupted.signal.aborted) break;
    say(`${index + 1}/${cells.length} ${cell.name}`);
    const run = await runCell(cell, {
      emulator,
      files,
      contenders: options.contenders,
      repeats: options.repeats,
      onNetworks: (networks) => (place.networks = networks),
      onRun: (record) => say(`  ${lineOf(record)}`),
      signal: place.interrupted.signal,
    });
    records.push(...run.records);
    const dropped = run.emulators.reduce((sum, one) => sum + one.forward.dropped + one.backward.dropped, 0);
    if (dropped > 0) notes.push(`${cell.name}: the link emulator's own queue was full, ${dropped} packets were lost there`);
  }
  return { calibration, versions: toolVersions(), cells, records, notes };
}

function chosenCells(only: string | undefined): readonly Cell[] {
  if (only === undefined) return labCells;
  let pattern: RegExp | undefined;
  try {
    pattern = new RegExp(only, "i");
  } catch {
    pattern = undefined;
  }
  return labCells.filter((cell) => cell.name.includes(only) || pattern?.test(cell.name) === true);
}

function estimatedSeconds(cells: readonly Cell[], options: LabOptions): number {
  let seconds = CALIBRATION_SECONDS;
  for (const cell of cells) {
    const runs = contendersOf(cell, options.contenders)
      .map(
        (contender) =>
          contender.directions.filter((direction) => cell.directions.includes(direction)).length *
          (options.repeats ?? repeatsOf(cell, contender.name)),
      )
      .reduce((sum, count) => sum + count, 0);
    const transferSeconds = (bytesOf(cell) * 8) / (sumRateOf(cell) * 1e6);
    seconds += runs * (transferSeconds + STARTING_SECONDS);
  }
  return seconds;
}

function lineOf(record: RunRecord): string {
  const rate =
    record.failure === undefined
      ? `${record.megabitsPerSecond.toFixed(1)} Mbit/s`
      : `FAILED: ${record.failure} (${record.bytes} bytes came)`;
  const gap = record.longestGapMs === undefined ? "" : `gap ${record.longestGapMs.toFixed(0)} ms`;
  const back = record.recoveredMs === undefined ? "" : `back after ${record.recoveredMs.toFixed(0)} ms`;
  const beside = record.besideMegabitsPerSecond === undefined ? "" : `beside ${record.besideMegabitsPerSecond.toFixed(1)} Mbit/s`;
  return [`${record.contender} ${record.direction}`.padEnd(24), rate, gap, back, beside, ...record.flags]
    .filter((part) => part !== "")
    .join("  ");
}

function say(text: string): void {
  process.stderr.write(`kwik bench lab: ${text}\n`);
}

/** The temporary directory and the networks of a run, which go with it, however it ends. */
class LabPlace implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "kwik-lab-"));
  readonly interrupted = new AbortController();
  networks: readonly LabNetwork[] = [];
  readonly #onSignal = (): void => {
    // A second one does not wait for the run that goes on.
    if (this.interrupted.signal.aborted) process.exit(INTERRUPTED);
    this.interrupted.abort();
    say("stopping after this run; again to stop at once");
  };
  readonly #onExit = (): void => this.#remove();

  constructor() {
    process.on("exit", this.#onExit);
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    this.#remove();
  }

  #remove(): void {
    for (const network of this.networks) network.removeNow();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
