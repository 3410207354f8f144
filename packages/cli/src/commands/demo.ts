import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { formatBytes, formatRate } from "../byte-size.ts";
import { type DemoServer, DemoServers } from "../demo/demo-servers.ts";
import { storyOf } from "../demo/demo-story.ts";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";
import { Download } from "../get/download.ts";
import { ServedFile } from "../get/remote-file.ts";
import { OutputFile } from "../get/output-file.ts";
import { ProgressView } from "../get/progress-view.ts";
import { Interruption } from "../interruption.ts";

/** At a third of this the three servers together need it all, in seconds. */
const ONE_SERVER_SECONDS = 10;
const MIN_FILE_BYTES = 2_000_000;
const WATCH_MS = 10;

/** Adds `kwik demo`. */
export function addDemo(program: Command): void {
  program
    .command("demo")
    .summary("see it work: three servers, one download, one server killed")
    .description(
      "Starts three server processes on this machine, downloads one file over all of them, kills the server that was dialled half-way, " +
        "and shows that the file is complete and right nevertheless. Leaves nothing behind.",
    )
    .argument("[file]", "what to download (default: the program file of Node, which is there already)")
    .addHelpText("after", "\nExample:\n  $ kwik demo ./some-large-file")
    .action(demo);
}

async function demo(given: string | undefined): Promise<void> {
  const { file, size } = await demoFile(given);
  using interruption = new Interruption();
  await using servers = await DemoServers.create();
  const bytesPerSecond = Math.round(size / ONE_SERVER_SECONDS);
  const rate = `${bytesPerSecond}B/s`;
  say(`Three servers on this machine, each with its own key and a copy of ${basename(file)} (${formatBytes(size)}),`);
  say(`each allowed to send ${formatRate(bytesPerSecond)}. The client knows only the first; that one adds the other two.`);
  const expected = sha256Of(file);
  const [b, c] = await Promise.all([servers.start("B", file, rate, []), servers.start("C", file, rate, [])]);
  const a = await servers.start("A", file, rate, [b.address, c.address]);
  for (const server of [a, b, c]) say(`  ${server.name}  ${server.address}  process ${server.child.pid ?? ""}`);
  if (interruption.hasHappened()) throw interrupted();

  const result = join(servers.directory, "result");
  const output = await OutputFile.open(result);
  const download = new Download({
    servers: [`kwik://${a.address}`],
    file: new ServedFile(basename(file)),
    output,
    graceMs: 6_000,
    dial: { trust: { ca: await readFile(servers.caFile, "utf8") } },
    signal: interruption.signal,
    onNotice: (text) => view.note(text),
  });
  const view = new ProgressView(download, { out: process.stdout, prefix: "  " });
  const started = performance.now();
  let killed: DemoServer | undefined;
  const watch = setInterval(() => {
    if (killed !== undefined || download.position < size / 2) return;
    killed = a;
    a.child.kill("SIGKILL");
    view.note(`now killing ${a.name}, the server that was dialled, at ${formatBytes(download.position)}`);
  }, WATCH_MS);
  view.start();
  try {
    await download.run();
    await output.finish();
  } catch (error) {
    await output.abandon();
    throw interruption.hasHappened() ? interrupted() : error;
  } finally {
    clearInterval(watch);
    view.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  const sha256 = await sha256Of(result);
  if (sha256 !== (await expected)) {
    throw new CommandError(ExitStatus.integrity, `the downloaded file differs from ${file} (SHA-256 ${sha256}); please report this`);
  }
  const { paths, longestGapMs } = download;
  for (const line of storyOf({ servers: [a, b, c], paths, killed, bytes: size, seconds, longestGapMs, rate: bytesPerSecond, sha256 }))
    say(line);
}

async function demoFile(given: string | undefined): Promise<{ file: string; size: number }> {
  const file = given ?? process.execPath;
  try {
    const real = await realpath(file);
    const info = await stat(real);
    if (!info.isFile()) throw new CommandError(ExitStatus.local, `${file} is not a plain file; name one of some megabytes`);
    if (info.size >= MIN_FILE_BYTES) return { file: real, size: info.size };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(ExitStatus.local, `cannot read ${file}: ${sentenceOf(error)}`, { cause: error });
  }
  throw new CommandError(
    ExitStatus.usage,
    `${file} is over too soon to see anything; name a file of at least ${formatBytes(MIN_FILE_BYTES)}`,
  );
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}

function interrupted(): CommandError {
  return new CommandError(ExitStatus.interrupted, "interrupted; the demo's servers and files are gone");
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
