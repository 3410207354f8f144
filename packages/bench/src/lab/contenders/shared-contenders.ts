import { pause } from "../../sampling.ts";
import { bytesOf } from "../cells/cell.ts";
import { HostProcess } from "../process/host-process.ts";
import type { LabBench, RunOrder } from "./lab-bench.ts";
import { measuredRun } from "./measured-run.ts";
import { runKwikServers } from "./node-contenders.ts";
import type { RunRecord } from "./run-record.ts";

const PORT = 5201;
const BESIDE_PORT = 5202;
const BESIDE_TIMEOUT_MS = 60_000;
/** The flow beside is to outlast what is measured. */
const BESIDE_FACTOR = 20;
/** It has found its rate when the other begins. */
const BESIDE_AHEAD_MS = 1_000;

/** What a TCP flow is held by: the kernels' usual one, and the one that keeps no queue full. A share beside one of them says little about the other. */
export const CONGESTION_CONTROLS = ["cubic", "bbr"] as const;
export type CongestionControl = (typeof CONGESTION_CONTROLS)[number];

/** Kwik from all servers, with one TCP flow from the last server beside it. */
export async function runSharedKwik(bench: LabBench, order: RunOrder, control: CongestionControl): Promise<RunRecord> {
  return beside(bench, control, () => runKwikServers(bench, order));
}

/** One TCP flow beside another of its kind: what a share is without kwik. */
export async function runSharedTcp(bench: LabBench, order: RunOrder, control: CongestionControl): Promise<RunRecord> {
  const network = bench.network("shared");
  return beside(bench, control, async () => {
    using server = await HostProcess.start(network, 0, "tcp-server", { port: PORT });
    using client = await HostProcess.start(network, "client", "tcp-client", { host: network.serverAddress(0), port: PORT });
    return await measuredRun(bench, order, { network, client, servers: [server], lines: [0], bytes: bytesOf(bench.cell) });
  });
}

async function beside(bench: LabBench, control: CongestionControl, work: () => Promise<RunRecord>): Promise<RunRecord> {
  const network = bench.network("shared");
  network.setCongestionControl(control);
  const last = network.serverCount - 1;
  using _server = await HostProcess.start(network, last, "tcp-server", { port: BESIDE_PORT });
  using client = await HostProcess.start(network, "client", "tcp-client", { host: network.serverAddress(last), port: BESIDE_PORT });
  // It ends with its process, when the other is done.
  void client.ask("transfer", { direction: "down", bytes: bytesOf(bench.cell) * BESIDE_FACTOR }, BESIDE_TIMEOUT_MS).catch(() => undefined);
  await pause(BESIDE_AHEAD_MS);
  bench.beside = client;
  try {
    return await work();
  } finally {
    bench.beside = undefined;
  }
}
