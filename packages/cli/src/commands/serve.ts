import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { type Listener, parseAddress } from "kwik";
import { makeSelfSigned } from "@kwik/trust";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";
import { Interruption } from "../interruption.ts";
import { browserCertificate } from "../serve/browser-certificate.ts";
import { serveDirectory } from "../serve/directory-server.ts";
import { ProcessGroup } from "../serve/processes/process-group.ts";
import { withReplacementFlag } from "../serve/replacement-flags.ts";
import type { ServeFlags } from "../serve/serve-flags.ts";
import { certificateNotice, readyReport, webLine } from "../serve/web-flags.ts";
import { collect } from "../dial-flags.ts";
import { count, seconds } from "../number-flags.ts";
import { tlsOf } from "../tls-flags.ts";

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
    .option("--processes <n>", "serve in N processes, one at each of N ports from that of --listen on, with one key", count, 1)
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
  $ kwik serve ./files --listen 0.0.0.0:4433 --processes 4          ports 4433 to 4436; clients dial any of them
  $ kwik serve ./files --listen 0.0.0.0:4433 --web --allow-origin https://app.example --write-cert server.pem`,
    )
    .action(serve);
}

async function serve(dir: string, flags: ServeFlags): Promise<void> {
  using interruption = new Interruption();
  // Started by another program over a channel: without it nobody would stop this one.
  if (process.channel !== undefined) process.once("disconnect", () => process.exit(ExitStatus.interrupted));
  const log = (text: string): void => void process.stderr.write(`kwik${flags.name === undefined ? "" : ` (${flags.name})`}: ${text}\n`);
  if (flags.processes > 1) {
    await serveInProcesses(dir, flags, interruption.signal, log);
    return;
  }
  const onReady = (listener: Listener): Promise<void> => announce(dir, listener, flags, log);
  await serveDirectory(dir, flags, { tls: await tlsOf(flags), signal: interruption.signal, log, onReady });
}

/** The same, by processes that this one starts, starts again, and stops. */
async function serveInProcesses(dir: string, flags: ServeFlags, signal: AbortSignal, log: (text: string) => void): Promise<void> {
  const { host } = parseAddress(flags.listen);
  const given = await tlsOf(flags);
  const own = given === "self-signed" ? await makeSelfSigned({ names: /^(|0\.0\.0\.0|::)$/.test(host) ? [] : [host] }) : undefined;
  const tls = async (): Promise<{ cert: string; key: string }> => {
    const current = own ?? (await tlsOf(flags));
    if (current === "self-signed") throw new CommandError(ExitStatus.usage, "--cert and --key belong together; give both");
    return { cert: current.cert, key: current.key };
  };
  const group = await ProcessGroup.start({ dir, flags, tls, log });
  const onHangup = (): void => group.signal("SIGHUP");
  // As a single process does: without files a terminal that is closed ends it.
  if (own === undefined || flags.cluster !== undefined) process.on("SIGHUP", onHangup);
  try {
    const [first] = group.servers;
    if (first !== undefined) await announce(dir, first, flags, log, group.servers);
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  } finally {
    process.exitCode = await group.stop();
    process.off("SIGHUP", onHangup);
  }
}

/** Says that it is ready, and what clients need. */
async function announce(
  dir: string,
  listener: Pick<Listener, "url" | "identity" | "certificate">,
  flags: ServeFlags,
  log: (text: string) => void,
  processes: readonly { readonly url: string; readonly pid: number }[] = [],
): Promise<void> {
  if (flags.writeCert !== undefined) await writeCertificate(flags.writeCert, listener.certificate);
  const browser = flags.web === true ? browserCertificate(listener.certificate) : undefined;
  const notice = browser && certificateNotice(browser);
  if (notice !== undefined) log(notice);
  const lines =
    flags.json === true
      ? [JSON.stringify(readyReport(dir, listener, browser, processes))]
      : [
          `kwik: serving ${dir} on ${listener.url} identity ${listener.identity}`,
          ...(browser === undefined ? [] : [webLine(browser)]),
          ...(processes.length === 0 ? [] : [`kwik: ${processes.length} processes on ${processes.map(({ url }) => url).join(" ")}`]),
        ];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

async function writeCertificate(file: string, pem: string): Promise<void> {
  try {
    await writeFile(file, pem);
  } catch (error) {
    throw new CommandError(ExitStatus.local, `cannot write ${file}: ${sentenceOf(error)}; choose another --write-cert`, { cause: error });
  }
}
