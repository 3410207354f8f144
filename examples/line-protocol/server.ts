// The server of the line protocol: takes items in chunks over any number of TCP connections and rebuilds them. See README.md.
// Run it: node examples/line-protocol/server.ts --port 7000 --out received
import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { ExitStatus, ProgramError, reportFailure } from "./exit-status.ts";
import { type LimitRow, type Limits, limitTable } from "./limits.ts";
import { LineServer } from "./line-server.ts";
import { formatBytes, formatDuration, parseBytes, parseCount, parseDurationMs } from "./quantity.ts";

/** Node waits no longer with a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const usage = `usage: node server.ts --port PORT [--host HOST] [--out DIR] [--overwrite] [limits]

  --port PORT               where to listen; 0 takes any free port
  --host HOST               default 127.0.0.1
  --out DIR                 where complete items go; without it they are only hashed
  --overwrite               replace files that are there; otherwise the item is refused
  --help

limits:
${limitTable.map((row) => `  ${`--${row.flag}`.padEnd(25)} ${row.bounds} (${shown(row)})`).join("\n")}
`;

process.exitCode = await main().catch((error: unknown) => reportFailure("server", error));

async function main(): Promise<ExitStatus> {
  const values = readArguments();
  if (values["help"] === true) {
    process.stdout.write(usage);
    return ExitStatus.done;
  }
  const port = values["port"];
  if (typeof port !== "string") throw new ProgramError(ExitStatus.usage, "say where to listen with --port; see --help");
  const folder = typeof values["out"] === "string" ? values["out"] : undefined;
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new ProgramError(ExitStatus.local, `--out ${folder}: there is no such folder`);
  }
  const totals = { items: 0, bytes: 0 };
  const server = await LineServer.listen({
    host: typeof values["host"] === "string" ? values["host"] : "127.0.0.1",
    port: parseCount("port", port, 0, 65_535),
    folder,
    overwrites: values["overwrite"] === true,
    limits: limitsOf(values),
    onComplete: ({ item, bytes, chunks, connections, sha256 }) => {
      totals.items += 1;
      totals.bytes += bytes;
      const ways = `${chunks} ${chunks === 1 ? "chunk" : "chunks"} over ${connections} ${connections === 1 ? "connection" : "connections"}`;
      process.stdout.write(`${item}: ${bytes} bytes in ${ways}, sha256 ${sha256}\n`);
    },
    onFault: (sentence) => process.stderr.write(`server: ${sentence}\n`),
  });
  process.stdout.write(`listening on ${server.address}${folder === undefined ? "" : `, items go to ${folder}`}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await server.stop();
  process.stdout.write(`stopped: ${totals.items} items, ${totals.bytes} bytes, at most ${server.mostHeldBytes} bytes of memory held\n`);
  return ExitStatus.done;
}

function readArguments(): Record<string, string | boolean | undefined> {
  const flags = Object.fromEntries(limitTable.map((row) => [row.flag, { type: "string" as const }]));
  try {
    return parseArgs({
      options: {
        ...flags,
        port: { type: "string" },
        host: { type: "string" },
        out: { type: "string" },
        overwrite: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new ProgramError(ExitStatus.usage, `${(error as Error).message}; see --help`);
  }
}

function limitsOf(values: Readonly<Record<string, string | boolean | undefined>>): Limits {
  return Object.fromEntries(limitTable.map((row) => [row.name, limitOf(row, values[row.flag])])) as Limits;
}

function limitOf(row: LimitRow, value: string | boolean | undefined): number {
  if (typeof value !== "string") return row.byDefault;
  if (row.unit === "bytes") return parseBytes(row.flag, value);
  if (row.unit === "count") return parseCount(row.flag, value, 1, Number.MAX_SAFE_INTEGER);
  const ms = parseDurationMs(row.flag, value);
  if (ms > MAX_TIMER_MS) throw new ProgramError(ExitStatus.usage, `--${row.flag} ${value}: at most ${MAX_TIMER_MS}ms`);
  return ms;
}

function shown(row: LimitRow): string {
  if (row.unit === "bytes") return formatBytes(row.byDefault);
  return row.unit === "time" ? formatDuration(row.byDefault) : String(row.byDefault);
}
