import { type Cell, repeatsOf } from "./cells/cell.ts";
import type { ContentFile } from "./contenders/content-file.ts";
import { type Contender, contendersOf } from "./contenders/contender.ts";
import { LabBench, type RunOrder } from "./contenders/lab-bench.ts";
import type { RunRecord } from "./contenders/run-record.ts";
import { LabNetwork, type Topology } from "./network/lab-network.ts";
import type { EmulatorReport } from "./network/link-emulator.ts";

export interface CellRun {
  readonly records: readonly RunRecord[];
  readonly emulators: readonly EmulatorReport[];
}

export interface CellOptions {
  /** The compiled link emulator. */
  readonly emulator: string;
  readonly files: ContentFile;
  readonly contenders: readonly string[] | undefined;
  readonly repeats: number | undefined;
  /** Told of each network while it exists, so that it can be removed if the process has to end. */
  readonly onNetworks: (networks: readonly LabNetwork[]) => void;
  readonly onRun: (record: RunRecord) => void;
  readonly signal: AbortSignal;
}

/** Runs all contenders of a cell in turns, as often as it wants, each run on the same lines. */
export async function runCell(cell: Cell, options: CellOptions): Promise<CellRun> {
  const contenders = contendersOf(cell, options.contenders);
  const networks = new Map<Topology, LabNetwork>();
  const records: RunRecord[] = [];
  let emulators: readonly EmulatorReport[] = [];
  try {
    for (const topology of new Set(contenders.map((contender) => contender.topology))) {
      networks.set(topology, await LabNetwork.make(topology, cell.lines, options.emulator, cell.sharedServers));
      options.onNetworks([...networks.values()]);
    }
    const bench = new LabBench(cell, networks, options.files);
    const repeats = (contender: Contender): number => options.repeats ?? repeatsOf(cell, contender.name);
    for (let repeat = 1; repeat <= Math.max(...contenders.map(repeats)); repeat += 1) {
      for (const direction of cell.directions) {
        for (const contender of contenders) {
          if (!contender.directions.includes(direction) || repeat > repeats(contender)) continue;
          const record = await runSafely(contender, bench, { cell, contender: contender.name, direction, repeat });
          // A terminal's interruption reaches the processes of the run too, so it says nothing.
          if (options.signal.aborted) return { records, emulators };
          records.push(record);
          options.onRun(record);
        }
      }
    }
  } finally {
    emulators = (await Promise.all([...networks.values()].map((network) => network.remove()))).flat();
    options.onNetworks([]);
  }
  return { records, emulators };
}

/** A contender that cannot even start has failed; the others go on. */
async function runSafely(contender: Contender, bench: LabBench, order: RunOrder): Promise<RunRecord> {
  try {
    return await contender.run(bench, order);
  } catch (error) {
    return {
      cell: order.cell.name,
      contender: contender.name,
      direction: order.direction,
      repeat: order.repeat,
      bytes: 0,
      seconds: 0,
      megabitsPerSecond: 0,
      lineBytes: [],
      worstRoundTripMs: [],
      usualRoundTripMs: [],
      cpuSeconds: 0,
      flags: [],
      failure: error instanceof Error ? error.message : String(error),
      events: [],
    };
  }
}
