import { type Command, Option } from "commander";
import { type Bind, DEFAULT_PROXY_LIMITS, describeBind, parseBind, parseForward, LocalProxy } from "@kwik/proxy";
import { dial, isKwikError } from "kwik";
import { flagsWithConfig } from "../config-file.ts";
import { collect, type DialFlags, dialOptionsOf, withDialFlags } from "../dial-flags.ts";
import { EventLog, type LogForm } from "../event-log.ts";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { Interruption } from "../interruption.ts";
import { MetricsServer } from "../metrics/metrics-server.ts";
import { count, seconds } from "../number-flags.ts";
import { logPaths } from "../proxy/path-log.ts";
import { proxyMetrics } from "../proxy/proxy-metrics.ts";
import { parseTarget } from "../target.ts";
import { readToken } from "../token-file.ts";

interface ProxyFlags extends DialFlags {
  readonly servers?: readonly string[];
  readonly forward?: readonly string[];
  readonly socks5?: readonly string[];
  readonly http?: readonly string[];
  readonly user?: readonly string[];
  readonly tokenFile?: string;
  readonly maxConnections: number;
  readonly connectTimeout: number;
  readonly sessionWait: number;
  readonly outage: number;
  readonly grace: number;
  readonly metrics?: string;
  readonly log: LogForm;
  readonly name?: string;
  readonly json?: boolean;
}

/** As a session's usual grace time. Whoever waits for an answer of a gateway that was started anew hears of it at once. */
const OUTAGE_SECONDS = 30;

/** What a proxy listens for, with what it says when it is there. */
interface Place {
  readonly kind: "forward" | "socks5" | "http";
  readonly bind: Bind;
  readonly target?: string;
  readonly open: (proxy: LocalProxy) => Promise<Bind>;
}

/** Adds `kwik proxy`. */
export function addProxy(program: Command): void {
  const command = program
    .command("proxy")
    .summary("bring local connections to gateways")
    .description(
      "Listens here, and brings each connection through one session to a target behind a `kwik gateway`. The session uses all the gateways that are named; each connection is made by one of them.",
    )
    .argument("[urls...]", "kwik://HOST:PORT of gateways, the first one first")
    .option("--config <file>", 'JSON with these flags in camel case, the gateways in "servers"; the command line goes before it')
    .option("-L, --forward <forward>", "[bind:]port:host:hostport as in ssh; /path.sock:host:hostport; port:unix:NAME; repeatable", collect)
    .option("--socks5 <bind>", "a SOCKS5 proxy at [bind:]port; repeatable", collect)
    .option("--http <bind>", "an HTTP proxy at [bind:]port, with CONNECT; repeatable", collect)
    .option(
      "--user <name:password>",
      "only these users of SOCKS5 and HTTP; repeatable (or KWIK_PROXY_USER, which other users of this machine do not see)",
      collect,
    )
    .addOption(new Option("--servers <url>", "one more gateway; repeatable").argParser(collect).hideHelp())
    .option("--token-file <file>", "file with the token that the gateways ask for")
    .option("--max-connections <count>", "connections of each listener", count, DEFAULT_PROXY_LIMITS.maxConnections)
    .option("--connect-timeout <seconds>", "how long a gateway may take", seconds, DEFAULT_PROXY_LIMITS.connectTimeoutMs / 1000)
    .option(
      "--session-wait <seconds>",
      "how long a connection waits while no gateway can be reached",
      seconds,
      DEFAULT_PROXY_LIMITS.sessionWaitMs / 1000,
    )
    .option(
      "--outage <seconds>",
      "how long a gateway that fell silent is waited for, before its connections are lost",
      seconds,
      OUTAGE_SECONDS,
    )
    .option("--grace <seconds>", "how long connections may go on after SIGTERM", seconds, 10)
    .option("--metrics <address>", "HOST:PORT for Prometheus, http://HOST:PORT/metrics")
    .addOption(
      new Option("--log <form>", "text or json, one line for each event on standard error").choices(["text", "json"]).default("text"),
    )
    .option("--name <name>", "name of this proxy in its messages and metrics")
    .option("--json", "print where it listens as JSON, on one line");
  withDialFlags(command)
    .addHelpText(
      "after",
      `
Examples:
  $ kwik proxy kwik://a.example:4433 kwik://b.example:4433 --ca ca.pem --socks5 1080 --http 8080
  $ kwik proxy kwik://a.example:4433 --pin sha256:… -L 5432:db.internal:5432`,
    )
    .action((urls: string[], _flags: unknown, self: Command) => runProxy(urls, self));
}

async function runProxy(urls: readonly string[], command: Command): Promise<void> {
  const flags = await flagsWithConfig<ProxyFlags>(command);
  const [first, ...others] = (urls.length > 0 ? urls : (flags.servers ?? [])).map((url) => parseTarget(url).server);
  if (first === undefined) throw new CommandError(ExitStatus.usage, "no gateway is named; write kwik proxy kwik://HOST:PORT …");
  const places = placesOf(flags);
  if (places.length === 0) throw new CommandError(ExitStatus.usage, "there is nothing to listen for; add -L, --socks5 or --http");
  const users = [...(flags.user ?? []), ...(process.env["KWIK_PROXY_USER"] === undefined ? [] : [process.env["KWIK_PROXY_USER"]])];
  const log = new EventLog(flags.log, flags.name);
  const dialOptions = await dialOptionsOf(flags);
  const token = flags.tokenFile === undefined ? undefined : await readToken(flags.tokenFile);

  using interruption = new Interruption();
  if (process.channel !== undefined) process.once("disconnect", () => process.exit(ExitStatus.interrupted));
  await using proxy = new LocalProxy({
    users,
    limits: {
      maxConnections: flags.maxConnections,
      connectTimeoutMs: flags.connectTimeout * 1000,
      sessionWaitMs: flags.sessionWait * 1000,
    },
    dial: async (signal) => {
      const session = await dialAny([first, ...others], (target, servers) =>
        dial(target, {
          ...dialOptions,
          servers,
          signal,
          limits: { graceMs: flags.outage * 1000 },
          ...(token === undefined ? {} : { credentials: { token } }),
        }),
      );
      void logPaths(session, log);
      return session;
    },
    onEvent: (event) => log.event(event),
  });
  using metrics = new MetricsServer(() => proxyMetrics(proxy, flags.name));
  if (flags.metrics !== undefined) log.notice(`metrics at http://${await metrics.listen(flags.metrics)}/metrics`);
  await untilInterrupted(interruption, proxy.start());
  if (interruption.hasHappened()) throw new CommandError(ExitStatus.interrupted, "interrupted");
  const opened: object[] = [];
  for (const { kind, open, target } of places) {
    const bind = await open(proxy);
    const address = describeBind(bind);
    if (users.length === 0 && kind !== "forward" && "host" in bind && !/^(127\.|::1$)/.test(bind.host))
      log.notice(`${kind} at ${address} serves everybody who reaches it; --user NAME:PASSWORD asks for a password`);
    opened.push({ kind, address, ...(target === undefined ? {} : { target }) });
    if (flags.json !== true) process.stdout.write(`kwik: ${kind} at ${address}${target === undefined ? "" : ` to ${target}`}\n`);
  }
  if (flags.json === true) process.stdout.write(`${JSON.stringify({ listeners: opened })}\n`);
  await new Promise<void>((resolve) => {
    interruption.signal.addEventListener("abort", () => resolve(), { once: true });
    if (interruption.hasHappened()) resolve();
  });
  if (proxy.stats().connections > 0) log.notice(`stopping; what is open has ${flags.grace} s to finish (again to stop at once)`);
  await proxy.drain(flags.grace * 1000);
}

/** A session that begins at the first server that answers; the others join it. */
async function dialAny<T>(servers: readonly string[], dialOne: (target: string, others: readonly string[]) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (const target of servers) {
    try {
      return await dialOne(
        target,
        servers.filter((other) => other !== target),
      );
    } catch (error) {
      failure ??= error;
      if (isKwikError(error) && error.code === "ABORTED") break;
    }
  }
  throw failure;
}

function placesOf(flags: ProxyFlags): Place[] {
  const forwards = (flags.forward ?? []).map((text): Place => {
    const { bind, target } = parseForward(text);
    const name =
      target.kind === "tcp"
        ? `tcp ${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`
        : `unix ${"name" in target ? target.name : ""}`;
    return { kind: "forward", bind, target: name, open: (proxy) => proxy.forward(bind, target) };
  });
  const socks5 = (flags.socks5 ?? []).map(parseBind).map((bind): Place => ({ kind: "socks5", bind, open: (proxy) => proxy.socks5(bind) }));
  const http = (flags.http ?? []).map(parseBind).map((bind): Place => ({ kind: "http", bind, open: (proxy) => proxy.http(bind) }));
  return [...forwards, ...socks5, ...http];
}

async function untilInterrupted(interruption: Interruption, promise: Promise<void>): Promise<void> {
  await Promise.race([
    promise,
    new Promise<void>((resolve) => interruption.signal.addEventListener("abort", () => resolve(), { once: true })),
  ]);
}
