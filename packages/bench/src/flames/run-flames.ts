import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchProcess } from "../process/bench-process.ts";
import { callTreeOf, type CallTree, type CpuProfile } from "./call-tree.ts";
import { flameGraph } from "./flame-graph.ts";
import { hottestOf } from "./hottest.ts";

/** Of one download, in bytes. */
const BYTES = 500e6;
const DOWNLOADS = 12;
/** The first half of a profile is left out: the runtime still compiles. */
const FROM_SHARE = 0.5;
const SAMPLE_INTERVAL_US = 500;
const HOTTEST = 8;

const RUNS: readonly { readonly streams: number; readonly file: string }[] = [
  { streams: 1, file: "bulk-1-stream.svg" },
  { streams: 100, file: "bulk-100-streams.svg" },
];

/** Profiles bulk downloads on loopback, and writes a flame graph of each into `flames` of `directory`. Prints the hottest functions. Answers the exit status. */
export async function runFlames(directory: string): Promise<number> {
  const target = join(directory, "flames");
  mkdirSync(target, { recursive: true });
  for (const { streams, file } of RUNS) {
    const what = `${DOWNLOADS / 2} downloads of ${BYTES / 1e6} MB, ${streams} ${streams === 1 ? "stream" : "streams"}, loopback`;
    process.stderr.write(`kwik bench: flames, ${what} …\n`);
    const { server, client } = await profiled(streams);
    const panels = [
      { title: "server, which sends", tree: server },
      { title: "client, which reads", tree: client },
    ];
    const svg = flameGraph(`Main thread of both ends: ${what}. The engine's own threads are not in it.`, panels);
    writeFileSync(join(target, file), svg);
    for (const { title, tree } of panels) {
      const rows = hottestOf(tree, HOTTEST).map(
        ({ name, part, share }) => `  ${(100 * share).toFixed(1).padStart(5)} %  ${name} (${part})`,
      );
      process.stdout.write(`${what}; ${title}: ${(tree.totalUs / 1e6).toFixed(2)} s\n${rows.join("\n")}\n`);
    }
    process.stdout.write(`wrote ${join(target, file)}, ${Math.ceil(statSync(join(target, file)).size / 1000)} kB\n`);
  }
  return 0;
}

async function profiled(streams: number): Promise<{ readonly server: CallTree; readonly client: CallTree }> {
  const folder = mkdtempSync(join(tmpdir(), "kwik-flames-"));
  try {
    const flags = (name: string): string[] => [
      "--cpu-prof",
      `--cpu-prof-dir=${join(folder, name)}`,
      `--cpu-prof-interval=${SAMPLE_INTERVAL_US}`,
    ];
    using server = await BenchProcess.start("kwik-server", {}, flags("server"));
    using client = await BenchProcess.start("kwik-client", { url: server.ready }, flags("client"));
    for (let count = 0; count < DOWNLOADS; count += 1) await client.ask("download", { streams, bytes: BYTES });
    // Their profiles are written as they end, which breaks off the answer.
    for (const one of [client, server]) await one.ask("exit").catch(() => undefined);
    return { server: treeIn(join(folder, "server")), client: treeIn(join(folder, "client")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function treeIn(folder: string): CallTree {
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"));
  if (file === undefined) throw new Error("the process wrote no profile");
  return callTreeOf(JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile, FROM_SHARE);
}
