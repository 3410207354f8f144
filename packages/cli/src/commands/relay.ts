import { type Command, Option } from "commander";
import { DEFAULT_RELAY_LIMITS, Gateway, Relay } from "@kwik/gateway";
import { parseAddress } from "kwik";
import { flagsWithConfig } from "../config-file.ts";
import { collect } from "../dial-flags.ts";
import { EventLog, type LogForm } from "../event-log.ts";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { authenticateBy, readTokens } from "../gateway/client-tokens.ts";
import { serveSessions, STREAMS_FOR_REFUSALS } from "../gateway/serve-sessions.ts";
import { Interruption } from "../interruption.ts";
import { MetricsServer } from "../metrics/metrics-server.ts";
import { seconds } from "../number-flags.ts";
import { type LinkFlags, relayOptionsOf, withLinkFlags } from "../relay/link-flags.ts";
import { relayMetrics } from "../relay/relay-metrics.ts";
import { listening, type TlsFlags, tlsOf } from "../tls-flags.ts";
import { TlsReload } from "../tls-reload.ts";

interface RelayFlags extends TlsFlags, LinkFlags {
  readonly listen?: string;
  readonly home?: readonly string[];
  readonly tokens?: string;
  readonly connectTimeout: number;
  readonly grace: number;
  readonly metrics?: string;
  readonly log: LogForm;
  readonly name?: string;
  readonly json?: boolean;
}

/** Adds `kwik relay`. */
export function addRelay(program: Command): void {
  const command = program
    .command("relay")
    .summary("carry links between clients and servers")
    .description(
      "Carries links of clients to the servers that are named; without --home to none. What it carries is encrypted from client to server. SIGTERM or Ctrl-C drains.",
    )
    .option("--config <file>", "JSON with these flags in camel case; the command line goes before it")
    .option("--listen <address>", "HOST:PORT to listen at, over QUIC (UDP) and TCP; port 0 is any free one")
    .option("--cert <file>", "certificate chain (PEM)")
    .option("--key <file>", "its private key (PEM)")
    .option("--self-signed", "a new key for this run; clients name it (the default without --cert)")
    .option("--home <home>", "HOST:PORTS of servers, HOST a name, *.name, address, range or *; repeatable", collect)
    .option("--tokens <file>", "lines of NAME TOKEN: only clients with one of them (default: everybody)")
    .option("--connect-timeout <seconds>", "how long a home may take", seconds, DEFAULT_RELAY_LIMITS.connectTimeoutMs / 1000);
  withLinkFlags(command)
    .option("--grace <seconds>", "how long links may go on after SIGTERM", seconds, 10)
    .option("--metrics <address>", "HOST:PORT for Prometheus, http://HOST:PORT/metrics")
    .addOption(
      new Option("--log <form>", "text or json, one line for each event on standard error").choices(["text", "json"]).default("text"),
    )
    .option("--name <name>", "name of this relay in its messages and metrics")
    .option("--json", "print what clients need to know as JSON, on one line")
    .addHelpText(
      "after",
      `
Examples:
  $ kwik relay --listen 0.0.0.0:4433 --self-signed --tokens tokens.txt --home a.example:4433 --home 10.0.0.0/8:4433
  $ kwik proxy kwik://a.example:4433 --relay kwik://relay.example:4433#sha256:… --ca ca.pem --http 8080`,
    )
    .action((_flags: unknown, self: Command) => runRelay(self));
}

async function runRelay(command: Command): Promise<void> {
  const flags = await flagsWithConfig<RelayFlags>(command);
  if (flags.listen === undefined)
    throw new CommandError(ExitStatus.usage, "--listen is missing; say where clients connect, for instance --listen 0.0.0.0:4433");
  const log = new EventLog(flags.log, flags.name);
  const { limits, ...options } = relayOptionsOf(flags);
  const relay = new Relay({
    ...options,
    homes: flags.home ?? [],
    limits: { ...limits, connectTimeoutMs: Math.max(0.001, flags.connectTimeout) * 1000 },
    onEvent: (event) => log.event(event),
  });
  const gateway = new Gateway({ relay, onEvent: (event) => log.event(event) });
  const tls = await tlsOf(flags);
  const tokens = flags.tokens === undefined ? undefined : await readTokens(flags.tokens);

  using interruption = new Interruption();
  // Started by another program over a channel: without it nobody would stop this one.
  if (process.channel !== undefined) process.once("disconnect", () => process.exit(ExitStatus.interrupted));
  const listener = await listening(flags.listen, {
    tls,
    onNotice: (message) => log.notice(message),
    authenticate: authenticateBy(tokens),
    // Whoever has lost all paths has lost its links. spec: RELAY-8
    limits: { graceMs: 0, maxStreams: flags.maxLinksPerClient + STREAMS_FOR_REFUSALS },
  });
  try {
    using _reload = await TlsReload.of(listener, flags, (text) => log.notice(text));
    relay.listensAt(parseAddress(listener.address));
    using metrics = new MetricsServer(() => relayMetrics(relay, listener, flags.name));
    if (flags.metrics !== undefined) log.notice(`metrics at http://${await metrics.listen(flags.metrics)}/metrics`);
    if ((flags.home ?? []).length === 0) log.notice("there are no homes: add --home HOST:PORT");
    if (tokens === undefined) log.notice("every client may use it; --tokens FILE lets in those with a token only");
    const { url, identity, certificate } = listener;
    process.stdout.write(
      flags.json === true ? `${JSON.stringify({ url, identity, certificate })}\n` : `kwik: relay on ${url} identity ${identity}\n`,
    );
    const serving = serveSessions(gateway, listener, log);
    await new Promise<void>((resolve) => interruption.signal.addEventListener("abort", () => resolve(), { once: true }));
    if (relay.stats().links > 0) log.notice(`stopping; links have ${flags.grace} s to go on (again to stop at once)`);
    await relay.drain(flags.grace * 1000);
    await listener.close();
    await serving;
  } finally {
    await listener.close();
  }
}
