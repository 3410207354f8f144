import { realpath, stat, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { fileStore, type Listener, parseAddress, type ServerSession } from "kwik";
import { loadClusterFile } from "@kwik/trust";
import { formatBytes, parseRate } from "../byte-size.ts";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";
import { FileService } from "../files/file-service.ts";
import { ServedDirectory } from "../files/served-directory.ts";
import { Interruption } from "../interruption.ts";
import { BytePacer, pacedStore } from "../serve/byte-pacer.ts";
import { browserCertificate } from "../serve/browser-certificate.ts";
import { MetricsPage } from "../serve/metrics-page.ts";
import { type ReplacementFlags, replacementsOf, withReplacementFlag } from "../serve/replacement-flags.ts";
import { type PeerServer, parsePeer, SessionPeers } from "../serve/session-peers.ts";
import { certificateNotice, readyReport, type WebFlags, webLine, webOptionsOf } from "../serve/web-flags.ts";
import { collect } from "../dial-flags.ts";
import { seconds } from "../number-flags.ts";
import { listening, type TlsFlags, tlsOf } from "../tls-flags.ts";
import { TlsReload } from "../tls-reload.ts";

interface ServeFlags extends WebFlags, TlsFlags, ReplacementFlags {
  readonly listen: string;
  readonly peer?: readonly string[];
  readonly rate?: string;
  readonly name?: string;
  readonly metrics?: string;
  readonly grace: number;
  readonly writeCert?: string;
  readonly json?: boolean;
}

/** Adds `kwik serve`. */
export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .summary("serve the files of a directory")
    .description(
      "Serves the files of DIR to sessions, and as content for the streams of other servers. SIGTERM or Ctrl-C lets downloads finish first; SIGHUP takes new certificates.",
    )
    .argument("<dir>", "directory; links that lead out of it are not followed")
    .requiredOption(
      "--listen <address>",
      "HOST:PORT to listen at, over QUIC (UDP) and TCP; port 0 is any free one; kwik+quic://HOST:PORT for QUIC only",
    )
    .option("--cert <file>", "certificate chain (PEM)")
    .option("--key <file>", "its private key (PEM)")
    .option("--self-signed", "a new key for this run; clients use --pin (the default without --cert)")
    .option("--cluster <file>", "cluster.json of `kwik cluster issue`: lets this server add others and be added")
    .option("--peer <address>", "HOST:PORT of a server with the same files, added to each session; repeatable; needs --cluster", collect)
    .option("--web", "serve browsers too, by WebTransport and WebSocket on the same port")
    .option(
      "--allow-origin <origin>",
      "pages that may connect, https://app.example or *; repeatable (default: those of this host)",
      collect,
    )
    .option("--write-cert <file>", "write the certificate (PEM) to FILE, for clients that believe this very one")
    .option("--rate <rate>", "send no faster than this: 20MB/s, 20MiB/s, 160mbit/s")
    .option("--name <name>", "name of this server in its messages and metrics")
    .option("--metrics <address>", "HOST:PORT for Prometheus, http://HOST:PORT/metrics")
    .option("--grace <seconds>", "how long downloads may go on after SIGTERM", seconds, 10)
    .option("--json", "print what clients need to know as JSON, on one line");
  withReplacementFlag(command, "those of --peer")
    .addHelpText(
      "after",
      `
Examples:
  $ kwik serve ./files --listen 0.0.0.0:4433 --self-signed
  $ kwik serve ./files --listen 0.0.0.0:4433 --cert a/server.pem --key a/server.key --cluster a/cluster.json \\
      --peer b.example:4433 --peer c.example:4433
  $ kwik serve ./files --listen 0.0.0.0:4433 --web --allow-origin https://app.example --write-cert server.pem`,
    )
    .action(serve);
}

async function serve(dir: string, flags: ServeFlags): Promise<void> {
  const root = await directoryAt(dir);
  const tls = await tlsOf(flags);
  const cluster = flags.cluster === undefined ? undefined : await loadClusterFile(flags.cluster);
  const peers = peersOf(flags);
  const replacements = replacementsOf(flags, flags.peer ?? []);
  const web = webOptionsOf(flags);
  const pacer = flags.rate === undefined ? undefined : new BytePacer(parseRate(flags.rate));
  const store = pacedStore(fileStore(root), pacer);
  const log = (text: string): void => void process.stderr.write(`kwik${flags.name === undefined ? "" : ` (${flags.name})`}: ${text}\n`);
  const files = new FileService({ directory: new ServedDirectory(root), store, pace: (bytes) => pacer?.take(bytes) ?? Promise.resolve() });

  using interruption = new Interruption();
  // Started by another program over a channel: without it nobody would stop this one.
  if (process.channel !== undefined) process.once("disconnect", () => process.exit(ExitStatus.interrupted));
  const listener = await listening(flags.listen, {
    tls,
    content: store,
    onNotice: log,
    ...web,
    ...(cluster === undefined ? {} : { cluster }),
  });
  let metrics: MetricsPage | undefined;
  try {
    if (flags.metrics !== undefined) {
      metrics = new MetricsPage(listener, flags.name);
      log(`metrics at http://${await metrics.listen(parseAddress(flags.metrics))}/metrics`);
    }
    using _reload = await TlsReload.of(listener, flags, log);
    if (flags.writeCert !== undefined) await writeCertificate(flags.writeCert, listener.certificate);
    announce(dir, listener, flags, log);
    const serving = serveSessions(listener, files, new SessionPeers(peers, log), metrics, log);
    await new Promise<void>((resolve) => interruption.signal.addEventListener("abort", () => resolve(), { once: true }));
    const { sessions } = listener.stats();
    if (sessions > 0)
      log(`stopping; ${sessions} ${sessions === 1 ? "session has" : "sessions have"} ${flags.grace} s to finish (again to stop at once)`);
    await listener.close({ graceMs: flags.grace * 1000, replacements });
    await serving;
  } finally {
    metrics?.close();
    await listener.close();
  }
}

/** Says that it is ready, and what clients need. */
function announce(dir: string, listener: Listener, flags: ServeFlags, log: (text: string) => void): void {
  const browser = flags.web === true ? browserCertificate(listener.certificate) : undefined;
  const notice = browser && certificateNotice(browser);
  if (notice !== undefined) log(notice);
  const lines =
    flags.json === true
      ? [JSON.stringify(readyReport(dir, listener, browser))]
      : [`kwik: serving ${dir} on ${listener.url} identity ${listener.identity}`, ...(browser === undefined ? [] : [webLine(browser)])];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

async function writeCertificate(file: string, pem: string): Promise<void> {
  try {
    await writeFile(file, pem);
  } catch (error) {
    throw new CommandError(ExitStatus.local, `cannot write ${file}: ${sentenceOf(error)}; choose another --write-cert`, { cause: error });
  }
}

async function serveSessions(
  listener: Listener,
  files: FileService,
  peers: SessionPeers,
  metrics: MetricsPage | undefined,
  log: (text: string) => void,
): Promise<void> {
  for await (const session of listener) {
    metrics?.watch(session);
    const dialled = session.allPaths().find((path) => path.local)?.address;
    log(`session ${session.id.slice(0, 8)} begins (${session.role}${dialled === undefined ? "" : `, dialled as ${dialled}`})`);
    void logSources(session, log);
    void files.serve(session).catch((error: unknown) => log(`session ${session.id.slice(0, 8)}: ${sentenceOf(error)}`));
    peers.follow(session);
    void session.closed.then((info) => {
      const why = info.code === "NO_ERROR" ? "" : `: ${info.code}${info.reason === "" ? "" : `, ${info.reason}`}`;
      log(`session ${session.id.slice(0, 8)} ends after ${formatBytes(session.stats().bytesSent)}${why}`);
    });
  }
}

/** What the client says of servers that it does not ask any more. */
async function logSources(session: ServerSession, log: (text: string) => void): Promise<void> {
  for await (const event of session.events()) {
    if (event.type !== "source-isolated" && event.type !== "source-slow") continue;
    const where = event.path?.address ?? "a server";
    log(`session ${session.id.slice(0, 8)}: ${where} is not asked for "${event.contentId}": ${event.code}, ${event.reason}`);
  }
}

async function directoryAt(dir: string): Promise<string> {
  try {
    const root = await realpath(dir);
    if ((await stat(root)).isDirectory()) return root;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = isMissing ? "there is no such directory; name the one that holds the files" : sentenceOf(error);
    throw new CommandError(ExitStatus.local, `cannot serve ${dir}: ${why}`, { cause: error });
  }
  throw new CommandError(ExitStatus.local, `cannot serve ${dir}: it is not a directory; name the directory that holds the file`);
}

function peersOf(flags: ServeFlags): PeerServer[] {
  const peers = (flags.peer ?? []).map(parsePeer);
  if (peers.length > 0 && flags.cluster === undefined) {
    throw new CommandError(ExitStatus.usage, "--peer needs --cluster: join tickets must be signed; see `kwik cluster init`");
  }
  return peers;
}
