// npm run soak: sessions and streams without number, and flat memory. See docs/reliability.md.
import { parseOptions } from "../../scripts/parse-options.ts";
import { threadCount } from "../chaos/world/leftovers.ts";
import { runSoak, type SoakRow } from "./run-soak.ts";

const USAGE = "npm run soak -- [--sessions N] [--streams N] [--rows N] [--json]";
const MIB = 1024 * 1024;

const values = parseOptions("soak", USAGE, {
  sessions: { type: "string", default: "10000" },
  streams: { type: "string", default: "1000000" },
  rows: { type: "string", default: "20" },
  json: { type: "boolean", default: false },
});
const [sessions, streams, waves] = [values.sessions, values.streams, values.rows].map(Number) as [number, number, number];
if (![sessions, streams, waves].every((value) => Number.isInteger(value) && value > 0) || streams < sessions || waves > sessions) {
  process.stderr.write(`soak: whole numbers, at least one stream for each session, and no more rows than sessions\n${USAGE}\n`);
  process.exit(2);
}

process.stderr.write("seconds  sessions    streams   client heap, resident   server heap, resident   threads   files\n");
const result = await runSoak({ sessions, streams, waves, onRow: (row) => process.stderr.write(`${lineOf(row)}\n`) }).catch(
  (error: unknown) => {
    process.stderr.write(`soak: the run itself failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
const summary = {
  sessions: result.tally.of("sessions"),
  streams: result.tally.of("streams"),
  bytes: result.tally.of("bytes"),
  transports: Object.fromEntries(result.tally.group("over ")),
  violations: result.violations,
};
if (values.json) process.stdout.write(`${JSON.stringify({ ...summary, rows: result.rows })}\n`);
else {
  process.stdout.write(`soak: ${summary.sessions} sessions, ${summary.streams} streams, ${(summary.bytes / 1e6).toFixed(0)} MB checked\n`);
  for (const text of result.violations) process.stdout.write(`BROKEN: ${text}\n`);
}
process.exitCode = result.violations.length > 0 ? 1 : 0;

function lineOf({ seconds, sessions: done, streams: opened, client, server }: SoakRow): string {
  const memory = [client, server].map(
    ({ heapBytes, residentBytes }) => `${(heapBytes / MIB).toFixed(1).padStart(10)} ${(residentBytes / MIB).toFixed(1).padStart(8)} MiB`,
  );
  return [
    seconds.toFixed(0).padStart(7),
    String(done).padStart(10),
    String(opened).padStart(11),
    ...memory,
    `${threadCount(client)} ${threadCount(server)}`.padStart(10),
    `${client.files} ${server.files}`.padStart(8),
  ].join("");
}
