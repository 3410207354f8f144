// The client of the line protocol: sends files in chunks over several TCP connections at once. See README.md.
// Run it: node examples/line-protocol/client.ts FILE… --to 127.0.0.1:7000 --connections 4
import { parseArgs } from "node:util";
import type { ServerAddress } from "./client-connection.ts";
import { ExitStatus, ProgramError, reportFailure } from "./exit-status.ts";
import { isPayloadForm, type PayloadForm } from "./payload-form.ts";
import { ProgressLine } from "./progress-line.ts";
import { parseBytes, parseCount, parseDurationMs } from "./quantity.ts";
import { SentFile } from "./sent-file.ts";
import { Transfer } from "./transfer.ts";

const MAX_CONNECTIONS = 64;
/** The longest character of UTF-8 must fit into a chunk. */
const MIN_CHUNK_BYTES = 4;
const MAX_CHUNK_BYTES = 16 * 1024 * 1024;
const MAX_TIMEOUT_MS = 3_600_000;

const usage = `usage: node client.ts FILE... --to HOST:PORT [flags]

  --to HOST:PORT            the server
  --connections N           how many connections, 1 to ${MAX_CONNECTIONS} (default 4)
  --chunk BYTES             payload of a chunk, for instance 64KiB (default 16KiB)
  --form FORM               plain, escaped or length (default length); an old server gets plain
  --timeout TIME            how long nothing may move, for instance 10s (default 30s)
  --retries N               how many lost connections are replaced (default 8)
  --json                    write the summary as JSON
  --help
`;

interface Order {
  readonly files: readonly string[];
  readonly address: ServerAddress;
  readonly connections: number;
  readonly chunkBytes: number;
  readonly form: PayloadForm;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly isJson: boolean;
}

process.exitCode = await main().catch((error: unknown) => reportFailure("client", error));

async function main(): Promise<ExitStatus> {
  const order = readArguments();
  if (order === undefined) {
    process.stdout.write(usage);
    return ExitStatus.done;
  }
  const files: SentFile[] = [];
  for (const path of order.files) files.push(await SentFile.scan(path, order.chunkBytes));
  const twice = files.find((file, index) => files.findIndex((other) => other.item === file.item) !== index);
  if (twice !== undefined) throw new ProgramError(ExitStatus.usage, `two files are called ${twice.item}`);

  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const began = performance.now();
  const progress = new ProgressLine(process.stderr, () => (bytes === 0 ? 0 : transfer.sentBytes / bytes));
  const transfer = new Transfer({ ...order, files, onNote: (sentence) => progress.note(sentence) });
  const interrupt = (): void => transfer.abort(new ProgramError(ExitStatus.interrupted, "interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
  let failure: unknown;
  try {
    await transfer.run();
  } catch (error) {
    failure = error;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  progress.stop();
  const seconds = (performance.now() - began) / 1000;
  const status = failure === undefined ? statusOf(transfer) : reportFailure("client", failure);
  if (order.isJson) process.stdout.write(`${JSON.stringify(summaryOf(transfer, status, seconds))}\n`);
  else process.stdout.write(reportOf(transfer, seconds));
  return status;
}

/** The worst that happened to an item. */
function statusOf(transfer: Transfer): ExitStatus {
  const states = new Set(transfer.results.map((result) => result.state));
  if (states.has("differs")) return ExitStatus.integrity;
  return states.has("refused") ? ExitStatus.refused : ExitStatus.done;
}

function summaryOf(transfer: Transfer, status: ExitStatus, seconds: number): object {
  return {
    status,
    form: transfer.form,
    confirmed: transfer.isConfirming,
    seconds: Number(seconds.toFixed(3)),
    chunksByConnection: transfer.chunksByConnection,
    resentChunks: transfer.resentChunks,
    lostConnections: transfer.lostConnections,
    items: transfer.results.map(({ file, state, error }) => {
      return {
        item: file.item,
        bytes: file.bytes,
        chunks: file.total,
        sha256: file.sha256,
        state,
        ...(error === undefined ? {} : { error }),
      };
    }),
  };
}

function reportOf(transfer: Transfer, seconds: number): string {
  const words = {
    stored: "stored",
    sent: "sent, not confirmed",
    refused: "refused",
    differs: "DIFFERS on the server",
    incomplete: "not stored",
  };
  const lines = transfer.results.map(({ file, state, error }) => {
    return `${file.item}: ${file.bytes} bytes, ${words[state]}${error === undefined ? "" : ` (${error})`}, sha256 ${file.sha256}`;
  });
  const shares = transfer.chunksByConnection.join(" + ");
  lines.push(`${shares === "" ? "0" : shares} chunks in ${transfer.form} form, ${seconds.toFixed(1)} s`);
  return `${lines.join("\n")}\n`;
}

/** Nothing if help is asked for. */
function readArguments(): Order | undefined {
  const { values, positionals } = parse();
  if (values.help === true) return undefined;
  const { to, form = "length" } = values;
  if (positionals.length === 0) throw new ProgramError(ExitStatus.usage, "say which files to send; see --help");
  if (to === undefined) throw new ProgramError(ExitStatus.usage, "say where to send them with --to HOST:PORT; see --help");
  if (!isPayloadForm(form)) throw new ProgramError(ExitStatus.usage, `--form ${form}: the forms are plain, escaped and length`);
  const chunkBytes = parseBytes("chunk", values.chunk ?? "16KiB");
  if (chunkBytes < MIN_CHUNK_BYTES || chunkBytes > MAX_CHUNK_BYTES) {
    throw new ProgramError(ExitStatus.usage, `--chunk ${chunkBytes}: give ${MIN_CHUNK_BYTES} to ${MAX_CHUNK_BYTES} bytes`);
  }
  const timeoutMs = parseDurationMs("timeout", values.timeout ?? "30s");
  if (timeoutMs > MAX_TIMEOUT_MS) throw new ProgramError(ExitStatus.usage, `--timeout: at most ${MAX_TIMEOUT_MS}ms`);
  return {
    files: positionals,
    address: parseAddress(to),
    connections: parseCount("connections", values.connections ?? "4", 1, MAX_CONNECTIONS),
    chunkBytes,
    form,
    timeoutMs,
    retries: parseCount("retries", values.retries ?? "8", 0, 1_000),
    isJson: values.json === true,
  };
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        to: { type: "string" },
        connections: { type: "string" },
        chunk: { type: "string" },
        form: { type: "string" },
        timeout: { type: "string" },
        retries: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new ProgramError(ExitStatus.usage, `${(error as Error).message}; see --help`);
  }
}

/** "host:port" or "[IPv6]:port" */
function parseAddress(text: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]+)$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new ProgramError(ExitStatus.usage, `--to ${text}: write HOST:PORT`);
  return { host, port: parseCount("to", match?.[3] ?? "", 1, 65_535) };
}
