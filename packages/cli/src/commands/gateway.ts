import { type Command, Option } from "commander";
import { DEFAULT_GATEWAY_LIMITS, DEFAULT_ORIGIN_LIMITS, Gateway, type GatewayLimits, Relay, TargetChecks } from "@kwik/gateway";
import { loadClusterFile } from "@kwik/trust";
import { type Listener, parseAddress } from "kwik";
import { flagsWithConfig } from "../config-file.ts";
import { collect, readPem } from "../dial-flags.ts";
import { EventLog, type LogForm } from "../event-log.ts";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { authenticateBy, readTokens } from "../gateway/client-tokens.ts";
import { gatewayMetrics } from "../gateway/gateway-metrics.ts";
import { serveSessions, STREAMS_FOR_REFUSALS } from "../gateway/serve-sessions.ts";
import { parseUnixSockets } from "../gateway/unix-sockets.ts";
import { Interruption } from "../interruption.ts";
import { MetricsServer } from "../metrics/metrics-server.ts";
import { count, seconds } from "../number-flags.ts";
import { type LinkFlags, relayOptionsOf, withLinkFlags } from "../relay/link-flags.ts";
import { type ReplacementFlags, replacementsOf, withReplacementFlag } from "../serve/replacement-flags.ts";
import { listening, type TlsFlags, tlsOf } from "../tls-flags.ts";
import { TlsReload } from "../tls-reload.ts";

interface GatewayFlags extends TlsFlags, LinkFlags, ReplacementFlags {
  readonly listen?: string;
  readonly relay?: readonly string[];
  readonly allow?: readonly string[];
  readonly unix?: readonly string[];
  readonly origin?: readonly string[];
  readonly originCa?: string;
  readonly originMinBytes: number;
  readonly originConnections: number;
  readonly originConnectionsPerSession: number;
  readonly originHashedAhead: number;
  readonly originTimeout: number;
  readonly proxyProtocol?: readonly string[];
  readonly tokens?: string;
  readonly check?: readonly string[];
  readonly checkInterval: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly connectTimeout: number;
  readonly idleTimeout: number;
  readonly halfCloseTimeout: number;
  readonly udpIdleTimeout: number;
  readonly grace: number;
  readonly metrics?: string;
  readonly log: LogForm;
  readonly name?: string;
  readonly json?: boolean;
}

/** How long clients without a connection may take to go to another gateway. */
const MOVE_MS = 1_000;

const { maxConnections, maxConnectionsPerClient, connectTimeoutMs, idleTimeoutMs, halfCloseTimeoutMs, udpIdleTimeoutMs } =
  DEFAULT_GATEWAY_LIMITS;

/** Adds `kwik gateway`. */
export function addGateway(program: Command): void {
  const command = program
    .command("gateway")
    .summary("connect the tunnels of `kwik proxy` to targets")
    .description(
      "Connects tunnels of clients to the targets that are allowed; without --allow or --unix to none. SIGTERM or Ctrl-C drains.",
    )
    .option("--config <file>", "JSON with these flags in camel case; the command line goes before it")
    .option("--listen <address>", "HOST:PORT to listen at, over QUIC (UDP) and TCP; port 0 is any free one")
    .option("--cert <file>", "certificate chain (PEM)")
    .option("--key <file>", "its private key (PEM)")
    .option("--self-signed", "a new key for this run; clients use --pin (the default without --cert)")
    .option("--cluster <file>", "cluster.json of `kwik cluster issue`")
    .option("--allow <target>", "[udp/]HOST:PORTS, HOST a name, *.name, address, range or *; repeatable", collect)
    .option("--unix <name=path>", "a unix socket that clients may reach by this name; repeatable", collect)
    .option(
      "--origin <host:port=url>",
      "an HTTP origin that clients reach by this name, and where its replica is: http:// or https://; large responses come from all gateways that have it; repeatable",
      collect,
    )
    .option("--origin-ca <file>", "authority of https origins (PEM; default: those of the system)")
    .option("--origin-min-bytes <count>", "smaller responses come from one gateway", count, DEFAULT_ORIGIN_LIMITS.minReplicatedBytes)
    .option("--origin-connections <count>", "for ranges, to one origin", count, DEFAULT_ORIGIN_LIMITS.maxRangeConnections)
    .option(
      "--origin-connections-per-session <count>",
      "of these, for one session of a client",
      count,
      DEFAULT_ORIGIN_LIMITS.maxRangesPerSession,
    )
    .option(
      "--origin-hashed-ahead <bytes>",
      "how far a response may be read and hashed ahead of what its client takes",
      count,
      DEFAULT_ORIGIN_LIMITS.maxHashedAheadBytes,
    )
    .option("--origin-timeout <seconds>", "how long a range of an origin may take", seconds, DEFAULT_ORIGIN_LIMITS.rangeTimeoutMs / 1000)
    .option("--tokens <file>", "lines of NAME TOKEN: only clients with one of them (default: everybody)")
    .option(
      "--proxy-protocol <target>",
      "tell these targets who the client is (PROXY protocol, version 2); as --allow; repeatable",
      collect,
    )
    .option("--relay <home>", "be a relay too, for links to these servers; HOST:PORTS as --allow; repeatable", collect)
    .option("--check <target>", "HOST:PORT of a target to connect to regularly, for logs and metrics; repeatable", collect)
    .option("--check-interval <seconds>", "how often", seconds, 10)
    .option("--max-connections <count>", "connections and associations in all", count, maxConnections)
    .option("--max-connections-per-client <count>", "the same for one client", count, maxConnectionsPerClient)
    .option("--connect-timeout <seconds>", "how long a target may take", seconds, connectTimeoutMs / 1000)
    .option("--idle-timeout <seconds>", "ends connections in which nothing moves; 0 is never", seconds, idleTimeoutMs / 1000)
    .option("--half-close-timeout <seconds>", "the same once one direction has ended", seconds, halfCloseTimeoutMs / 1000)
    .option("--udp-idle-timeout <seconds>", "ends associations in which nothing moves", seconds, udpIdleTimeoutMs / 1000);
  withLinkFlags(command)
    .option("--grace <seconds>", "how long connections may go on after SIGTERM", seconds, 10)
    .option("--metrics <address>", "HOST:PORT for Prometheus, http://HOST:PORT/metrics")
    .addOption(
      new Option("--log <form>", "text or json, one line for each event on standard error").choices(["text", "json"]).default("text"),
    )
    .option("--name <name>", "name of this gateway in its messages and metrics")
    .option("--json", "print what clients need to know as JSON, on one line");
  withReplacementFlag(command, "none")
    .addHelpText(
      "after",
      `
Examples:
  $ kwik gateway --listen 0.0.0.0:4433 --self-signed --allow '*:443' --allow '*:80'
  $ kwik gateway --listen 0.0.0.0:4433 --tokens tokens.txt --allow 10.0.0.0/8:5432 --allow db.internal:5432 --unix app=/run/app.sock`,
    )
    .action((_flags: unknown, self: Command) => runGateway(self));
}

async function runGateway(command: Command): Promise<void> {
  const flags = await flagsWithConfig<GatewayFlags>(command);
  if (flags.listen === undefined)
    throw new CommandError(ExitStatus.usage, "--listen is missing; say where clients connect, for instance --listen 0.0.0.0:4433");
  const log = new EventLog(flags.log, flags.name);
  const relay =
    flags.relay === undefined
      ? undefined
      : new Relay({ ...relayOptionsOf(flags), homes: flags.relay, onEvent: (event) => log.event(event) });
  const gateway = new Gateway({
    ...(relay === undefined ? {} : { relay }),
    allow: flags.allow ?? [],
    unixSockets: parseUnixSockets(flags.unix ?? []),
    origins: flags.origin ?? [],
    ...(flags.originCa === undefined ? {} : { originCa: await readPem(flags.originCa) }),
    originLimits: {
      minReplicatedBytes: flags.originMinBytes,
      maxRangeConnections: Math.max(1, flags.originConnections),
      maxRangesPerSession: Math.max(1, flags.originConnectionsPerSession),
      maxHashedAheadBytes: flags.originHashedAhead,
      rangeTimeoutMs: Math.max(0.001, flags.originTimeout) * 1000,
    },
    proxyProtocol: flags.proxyProtocol ?? [],
    limits: limitsOf(flags),
    onEvent: (event) => log.event(event),
  });
  const checked = (flags.check ?? []).map((text) => ({ ...parseAddress(text), text }));
  const tls = await tlsOf(flags);
  const cluster = flags.cluster === undefined ? undefined : await loadClusterFile(flags.cluster);
  const tokens = flags.tokens === undefined ? undefined : await readTokens(flags.tokens);
  const replacements = replacementsOf(flags, []);

  using interruption = new Interruption();
  // Started by another program over a channel: without it nobody would stop this one.
  if (process.channel !== undefined) process.once("disconnect", () => process.exit(ExitStatus.interrupted));
  const listener = await listening(flags.listen, {
    tls,
    onNotice: (message) => log.notice(message),
    ...(cluster === undefined ? {} : { cluster }),
    authenticate: authenticateBy(tokens),
    ...(gateway.origins.isEmpty ? {} : { content: gateway.origins.contents }),
    limits: { maxStreams: flags.maxConnectionsPerClient + (relay === undefined ? 0 : flags.maxLinksPerClient) + STREAMS_FOR_REFUSALS },
  });
  try {
    using _reload = await TlsReload.of(listener, flags, (text) => log.notice(text));
    relay?.listensAt(parseAddress(listener.address));
    using metrics = new MetricsServer(() => gatewayMetrics(gateway, relay, listener, flags.name));
    if (flags.metrics !== undefined) log.notice(`metrics at http://${await metrics.listen(flags.metrics)}/metrics`);
    using _checks = new TargetChecks(
      checked.map(({ host, port }) => ({
        name: `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`,
        destination: () => gateway.destinationOf({ host, port }),
      })),
      Math.max(1, flags.checkInterval) * 1000,
      flags.connectTimeout * 1000,
      gateway.health,
      (target, isUp, reason) => log.event({ type: isUp ? "target-up" : "target-down", target, reason }),
    );
    if (relay === undefined && [flags.allow, flags.unix, flags.origin].every((list) => (list ?? []).length === 0))
      log.notice("nothing is allowed: add --allow HOST:PORT, --unix NAME=PATH or --origin HOST:PORT=URL");
    if (tokens === undefined) log.notice("every client may use it; --tokens FILE lets in those with a token only");
    announce(listener, flags);
    const serving = serveSessions(gateway, listener, log);
    await new Promise<void>((resolve) => interruption.signal.addEventListener("abort", () => resolve(), { once: true }));
    const { connections, associations } = gateway.stats();
    if (connections + associations > 0) log.notice(`stopping; what is open has ${flags.grace} s to finish (again to stop at once)`);
    const graceMs = flags.grace * 1000;
    const closed = listener.close({ graceMs, replacements });
    await Promise.all([gateway.drain(graceMs), relay?.drain(graceMs)]);
    // Clients that have nothing open go elsewhere by themselves, and get a moment for it.
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, Math.min(graceMs, MOVE_MS)).unref())]);
    await listener.close();
    await serving;
  } finally {
    gateway.origins.close();
    await listener.close();
  }
}

function announce({ url, identity, certificate }: Listener, flags: GatewayFlags): void {
  process.stdout.write(
    flags.json === true ? `${JSON.stringify({ url, identity, certificate })}\n` : `kwik: gateway on ${url} identity ${identity}\n`,
  );
}

function limitsOf(flags: GatewayFlags): Partial<GatewayLimits> {
  return {
    maxConnections: flags.maxConnections,
    maxConnectionsPerClient: flags.maxConnectionsPerClient,
    connectTimeoutMs: Math.max(0.001, flags.connectTimeout) * 1000,
    idleTimeoutMs: flags.idleTimeout * 1000,
    halfCloseTimeoutMs: flags.halfCloseTimeout * 1000,
    udpIdleTimeoutMs: flags.udpIdleTimeout * 1000,
  };
}
