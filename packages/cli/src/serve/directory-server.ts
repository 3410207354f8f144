import { realpath, stat } from "node:fs/promises";
import { fileStore, type Listener, type NodeListenOptions, type ServerSession } from "kwik";
import { loadClusterFile } from "@kwik/trust";
import { formatBytes, parseRate } from "../byte-size.ts";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";
import { FileService } from "../files/file-service.ts";
import { ServedDirectory } from "../files/served-directory.ts";
import { listening } from "../tls-flags.ts";
import { TlsReload } from "../tls-reload.ts";
import { BytePacer, pacedStore } from "./byte-pacer.ts";
import { MetricsServer } from "../metrics/metrics-server.ts";
import { ServeMetrics } from "./serve-metrics.ts";
import { replacementsOf } from "./replacement-flags.ts";
import type { ServeFlags } from "./serve-flags.ts";
import { type PeerServer, parsePeer, SessionPeers } from "./session-peers.ts";
import { webOptionsOf } from "./web-flags.ts";

/** What a server of files has to do with its surroundings. */
export interface DirectoryServerOptions {
  readonly tls: NodeListenOptions["tls"];
  /** Aborted when it is to stop. */
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  /** It serves. */
  readonly onReady: (listener: Listener) => Promise<void> | void;
  /** Where a new session is to begin instead. */
  readonly redirect?: NodeListenOptions["redirect"];
  /** So many sessions are open now. */
  readonly onSessions?: (count: number) => void;
}

/** Serves a directory as the flags say until `signal` is aborted, and then as long as sessions have things to finish. Rejects with CommandError. */
export async function serveDirectory(dir: string, flags: ServeFlags, options: DirectoryServerOptions): Promise<void> {
  const { signal, log, redirect } = options;
  const root = await directoryAt(dir);
  const cluster = flags.cluster === undefined ? undefined : await loadClusterFile(flags.cluster);
  const peers = peersOf(flags);
  const replacements = replacementsOf(flags, flags.peer ?? []);
  const web = webOptionsOf(flags);
  const pacer = flags.rate === undefined ? undefined : new BytePacer(parseRate(flags.rate) / flags.processes);
  const store = pacedStore(fileStore(root), pacer);
  const files = new FileService({ directory: new ServedDirectory(root), store, pace: (bytes) => pacer?.take(bytes) ?? Promise.resolve() });
  const listener = await listening(flags.listen, {
    tls: options.tls,
    content: store,
    onNotice: log,
    ...web,
    ...(redirect === undefined ? {} : { redirect }),
    ...(cluster === undefined ? {} : { cluster }),
  });
  const metrics = new ServeMetrics(listener, flags.name);
  using page = new MetricsServer(() => metrics.text());
  try {
    if (flags.metrics !== undefined) log(`metrics at http://${await page.listen(flags.metrics)}/metrics`);
    using _reload = await TlsReload.of(listener, flags, log);
    await options.onReady(listener);
    const serving = serveSessions(listener, files, new SessionPeers(peers, log), metrics, options);
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const { sessions } = listener.stats();
    if (sessions > 0)
      log(`stopping; ${sessions} ${sessions === 1 ? "session has" : "sessions have"} ${flags.grace} s to finish (again to stop at once)`);
    await listener.close({ graceMs: flags.grace * 1000, replacements });
    await serving;
  } finally {
    await listener.close();
  }
}

async function serveSessions(
  listener: Listener,
  files: FileService,
  peers: SessionPeers,
  metrics: ServeMetrics,
  { log, onSessions }: DirectoryServerOptions,
): Promise<void> {
  let open = 0;
  for await (const session of listener) {
    open += 1;
    onSessions?.(open);
    metrics.watch(session);
    const dialled = session.allPaths().find((path) => path.local)?.address;
    log(`session ${session.id.slice(0, 8)} begins (${session.role}${dialled === undefined ? "" : `, dialled as ${dialled}`})`);
    void logSources(session, log);
    void files.serve(session).catch((error: unknown) => log(`session ${session.id.slice(0, 8)}: ${sentenceOf(error)}`));
    peers.follow(session);
    void session.closed.then((info) => {
      open -= 1;
      onSessions?.(open);
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
