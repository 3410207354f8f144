import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { pause } from "../sampling.ts";

const FLOW_MS = 2_000;
/** Half of what a client has alone is its fair share beside one that takes what it gets; a stopped one is owed nothing. */
const CASES: readonly { readonly name: string; readonly share: number; readonly offend: (client: BenchProcess) => Promise<unknown> }[] = [
  { name: "one that resets each download", share: 0.5, offend: (client) => client.ask("greedy", { streams: 4, reset: true }) },
  { name: "a greedy one, 16 downloads", share: 0.5, offend: (client) => client.ask("greedy", { streams: 16, reset: false }) },
  { name: "one that reads nothing of 1 GB", share: 1, offend: (client) => client.ask("stall", { bytes: 1e9 }) },
  {
    name: "one that was stopped (SIGSTOP)",
    share: 1,
    offend: async (client) => {
      await client.ask("greedy", { streams: 4, reset: false });
      await pause(300);
      client.signal("SIGSTOP");
    },
  },
  {
    name: "one that was killed (SIGKILL)",
    share: 1,
    offend: async (client) => {
      await client.ask("greedy", { streams: 4, reset: false });
      await pause(300);
      client.signal("SIGKILL");
    },
  },
];

/** What a client gets of a server beside a bad neighbour, against what it gets alone, as a part of its fair share. */
export async function fair(): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const { name, share, offend } of CASES) {
    using server = await BenchProcess.start("kwik-server");
    using client = await BenchProcess.start("kwik-client", { url: server.ready });
    using offender = await BenchProcess.start("kwik-client", { url: server.ready });
    await client.ask("flow", { ms: 500 });
    const alone = await client.ask<number>("flow", { ms: FLOW_MS });
    await offend(offender);
    await pause(200);
    const beside = await client.ask<number>("flow", { ms: FLOW_MS });
    measurements.push({
      name: `fair: beside ${name}`,
      value: beside / FLOW_MS / 1000,
      unit: "MB/s",
      ratio: beside / (alone * share),
      // Both clients and the server share two processors here, which costs more than the bytes.
      bar: { kind: "at least", limit: 0.8 },
      note: `alone ${(alone / FLOW_MS / 1000).toFixed(0)} MB/s; ratio is to a share of ${share}`,
    });
  }
  return measurements;
}
