import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabNetwork, type Topology } from "./lab-network.ts";
import { NETWORK_PROGRAMS, prepareTools } from "./lab-tools.ts";
import type { Line } from "./line.ts";
import { compileEmulator } from "./link-emulator.ts";

/** What a measurement over emulated lines of its own needs. */
export interface EmulatedLines {
  /** Part of the name of its folder. */
  readonly name: string;
  readonly topology: Topology;
  readonly lines: readonly Line[];
  /** Programs that are needed beside those of the network itself. */
  readonly programs?: readonly string[];
}

/** Runs `work` with a network and a folder of its own, both gone afterwards, also if the process ends in the middle. Rejects with what is missing here. */
export async function withLines<T>(wanted: EmulatedLines, work: (network: LabNetwork, folder: string) => Promise<T>): Promise<T> {
  const reason = prepareTools([...NETWORK_PROGRAMS, ...(wanted.programs ?? [])]);
  if (reason !== undefined) throw new Error(reason);
  LabNetwork.removeStale();
  const folder = mkdtempSync(join(tmpdir(), `kwik-bench-${wanted.name}-`));
  let network: LabNetwork | undefined;
  const cleanUp = (): void => {
    network?.removeNow();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", cleanUp);
  try {
    network = await LabNetwork.make(wanted.topology, wanted.lines, compileEmulator(folder));
    return await work(network, folder);
  } finally {
    await network?.remove();
    process.off("exit", cleanUp);
    cleanUp();
  }
}
