import { basename } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { Download } from "../get/download.ts";
import { reportOf, sentenceOfReport } from "../get/get-report.ts";
import type { Output } from "../get/output.ts";
import { OutputFile } from "../get/output-file.ts";
import { OutputStdout } from "../get/output-stdout.ts";
import { ProgressView } from "../get/progress-view.ts";
import { Interruption } from "../interruption.ts";
import { seconds } from "../number-flags.ts";
import { OriginFile } from "../get/origin-file.ts";
import { type RemoteFile, ServedFile } from "../get/remote-file.ts";
import { decoded, parseTarget } from "../target.ts";
import { collect, type DialFlags, dialOptionsOf, withDialFlags } from "../dial-flags.ts";

interface GetFlags extends DialFlags {
  readonly output?: string;
  readonly from?: readonly string[];
  readonly maxPaths?: number;
  readonly grace: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Adds `kwik get`. */
export function addGet(program: Command): void {
  const command = program
    .command("get")
    .summary("download one file over all servers that have it")
    .description(
      "Downloads one file over all servers that have it. Every block is verified before it is written; a server that lies is left out and named. " +
        "If FILE holds the beginning of it already, the download goes on from there.",
    )
    .argument("<url>", "kwik://HOST:PORT/PATH, or http://HOST/PATH of a web server behind the gateways that --from names")
    .option("-o, --output <file>", 'where to put it; "-" is standard output (default: the name at the end of the path)')
    .option("--from <url>", "another server that may have the file, kwik://HOST:PORT; repeatable", collect)
    .option("--max-paths <n>", "servers to use at once (default 16)", positiveInteger)
    .option("--grace <seconds>", "how long to wait for a server when none is left", seconds, 6)
    .option("--json", "print a report as the last line of standard output")
    .option("--quiet", "say nothing unless it fails");
  withDialFlags(command)
    .addHelpText(
      "after",
      `
Examples:
  $ kwik get kwik://a.example:4433/film.mkv --ca ca.pem
  $ kwik get kwik://a.example:4433/film.mkv --from kwik://b.example:4433 --ca ca.pem -o film.mkv
  $ kwik get http://films.example/film.mkv --from kwik://a.example:4433 --from kwik://b.example:4433 --ca ca.pem
  $ kwik get kwik://127.0.0.1:4433/backup.tar --pin sha256:1f… -o - | tar x`,
    )
    .action(get);
}

async function get(url: string, flags: GetFlags): Promise<void> {
  const { file, servers, name } = wantedOf(url, flags.from ?? []);
  const options = await dialOptionsOf(flags);
  const output = await outputFor(name, flags);
  using interruption = new Interruption();
  const started = performance.now();
  const download: Download = new Download({
    servers,
    file,
    output,
    dial: { ...options, pathPolicy: flags.maxPaths === undefined ? {} : { maxPaths: flags.maxPaths } },
    graceMs: flags.grace * 1000,
    signal: interruption.signal,
    onNotice: (text) => {
      if (flags.quiet !== true) view.note(text);
    },
  });
  const view = new ProgressView(download);
  if (flags.quiet !== true) view.start();
  try {
    await download.run();
    await output.finish();
  } catch (error) {
    await output.abandon();
    throw error;
  } finally {
    view.stop();
  }
  const report = reportOf(download, output, (performance.now() - started) / 1000);
  if (flags.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (flags.quiet !== true) (flags.output === "-" ? process.stderr : process.stdout).write(`${sentenceOfReport(report)}\n`);
}

interface Wanted {
  readonly file: RemoteFile;
  readonly servers: readonly string[];
  /** What it is called here. */
  readonly name: string;
}

function wantedOf(url: string, from: readonly string[]): Wanted {
  const others = from.map((other) => parseTarget(other).server);
  if (/^https?:/i.test(url)) {
    const file = new OriginFile(url);
    if (others.length === 0)
      throw new CommandError(ExitStatus.usage, `${url} is reached through gateways; name them with --from kwik://HOST:PORT`);
    return { file, servers: [...new Set(others)], name: named(basename(decoded(new URL(url).pathname)), url) };
  }
  const target = parseTarget(url);
  const hint = `, or see what there is with \`kwik ls ${url}\``;
  const name = named(target.path.endsWith("/") ? "" : basename(target.path), url, hint);
  return { file: new ServedFile(target.path), servers: [...new Set([target.server, ...others])], name };
}

function named(name: string, url: string, hint = ""): string {
  if (name !== "") return name;
  throw new CommandError(ExitStatus.usage, `${url} names no file; write kwik://HOST:PORT/PATH${hint}`);
}

async function outputFor(name: string, flags: GetFlags): Promise<Output> {
  if (flags.output === "-") {
    if (flags.json === true) throw new CommandError(ExitStatus.usage, "--json and -o - both want standard output; leave one of them out");
    return new OutputStdout();
  }
  return OutputFile.open(flags.output ?? name);
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("Write a whole number from 1 on.");
}
