import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { Postgres } from "../proxy/postgres.ts";
import { ProxyPair } from "../proxy/proxy-pair.ts";
import { Redis } from "../proxy/redis.ts";
import { startForwarder } from "../proxy/tcp-forwarder.ts";
import { median, pause } from "../sampling.ts";

const TRANSPORTS = ["quic", "tcp"] as const;
const ROUNDS = 3;
/** Until the code is compiled, its compiler is measured. */
const WARM_UP_ROUNDS = 3;
const BYTES = 400e6;
const ECHO_COUNT = 3_000;
const ECHO_WARM_UP = 20_000;
const CLIENTS = 16;
const PGBENCH_SECONDS = 4;
const REDIS_REQUESTS = 100_000;
const CONNECTIONS = 1_000;
const CONNECTION_BYTES = 10_000;
const MIB = 1024 * 1024;

/** Two forwarders of bare Node, one behind the other, without TLS between them and with it: what Node allows. */
const BARE = ["node", "node with TLS"] as const;

/** A way to the targets: none, a plain forwarder, bare Node, or proxy and gateway. */
type Way = "direct" | "forwarder" | (typeof BARE)[number] | (typeof TRANSPORTS)[number];

/** What to do by a way, given the position of its target; answers a number. */
type Work = (way: Way) => Promise<number>;

/** `kwik proxy` and `kwik gateway` on this machine against a plain forwarder of TCP, and against no forwarder at all. */
export async function proxy(): Promise<Measurement[]> {
  using stack = new DisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "kwik-bench-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const plain = stack.use(await BenchProcess.start("plain-server"));
  const postgres = await present(stack, "pgbench", () => Postgres.start(folder));
  const redis = await present(stack, "redis-benchmark", () => Redis.start(folder));
  const targets = [plain.ready as number, ...[postgres, redis].flatMap((server) => (server === undefined ? [] : [server.port]))];
  const forwarder = stack.use(await startForwarder(targets, folder));
  const pairs = {
    quic: stack.use(await ProxyPair.start("quic", targets)),
    tcp: stack.use(await ProxyPair.start("tcp", targets)),
  };
  const ways: Record<Way, readonly number[]> = {
    direct: targets,
    forwarder: forwarder.ports,
    node: await bareChain(stack, targets, false),
    "node with TLS": await bareChain(stack, targets, true),
    quic: pairs.quic.ports,
    tcp: pairs.tcp.ports,
  };
  const portOf = (way: Way, target: number): number => ways[way][targets.indexOf(target)] as number;
  const against = (what: string, unit: string, limit: number, works: Work) => compared(what, unit, forwarder.name, limit, works);

  const clients = new Map<Way, BenchProcess>();
  for (const way of Object.keys(ways) as Way[]) {
    clients.set(way, stack.use(await BenchProcess.start("plain-client", { port: portOf(way, plain.ready as number) })));
  }
  const ask = <T>(way: Way, task: string, argument: object): Promise<T> => (clients.get(way) as BenchProcess).ask<T>(task, argument);
  const measurements: Measurement[] = [];
  for (const direction of ["download", "upload"]) {
    const work: Work = async (way) => BYTES / 1e6 / (await ask<number>(way, direction, { streams: 1, bytes: BYTES }));
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) for (const way of [...BARE, ...TRANSPORTS]) await work(way);
    measurements.push(...(await against(direction, "MB/s", 0.7, work)));
  }
  for (const way of TRANSPORTS) await ask(way, "echo", { count: ECHO_WARM_UP, bytes: 64 });
  measurements.push(
    ...(await addedLatency(async (way) => (await ask<{ p50: number }>(way, "echo", { count: ECHO_COUNT, bytes: 64 })).p50)),
  );
  if (postgres !== undefined) {
    for (const script of ["tpcb-like", "select-only"] as const) {
      const work: Work = (way) => postgres.transactionsPerSecond(portOf(way, postgres.port), script, CLIENTS, PGBENCH_SECONDS);
      measurements.push(...(await against(`pgbench ${script}, ${CLIENTS} clients`, "/s", 0.8, work)));
    }
  }
  if (redis !== undefined) {
    for (const operation of ["set", "get"] as const) {
      const work: Work = (way) => redis.requestsPerSecond(portOf(way, redis.port), operation, CLIENTS, REDIS_REQUESTS);
      measurements.push(...(await against(`redis-benchmark ${operation}, ${CLIENTS} clients`, "/s", 0.8, work)));
    }
  }
  for (const transport of TRANSPORTS) {
    measurements.push(
      ...(await held(transport, pairs[transport], () => ask(transport, "hold", { count: CONNECTIONS, bytes: CONNECTION_BYTES }))),
    );
  }
  return measurements;
}

/** The ports of two forwarders of bare Node, the first of which leads to the second. */
async function bareChain(stack: DisposableStack, targets: readonly number[], isEncrypted: boolean): Promise<readonly number[]> {
  const last = stack.use(await BenchProcess.start("forwarder", { targets, ...(isEncrypted && { tls: "in" }) }));
  const first = stack.use(await BenchProcess.start("forwarder", { targets: last.ready as number[], ...(isEncrypted && { tls: "out" }) }));
  return first.ready as number[];
}

/** A server that may be missing here, which is said. */
async function present<T extends Disposable>(stack: DisposableStack, what: string, start: () => Promise<T>): Promise<T | undefined> {
  try {
    return stack.use(await start());
  } catch (error) {
    process.stderr.write(`kwik bench: ${what} was left out: it ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

/** Each transport and bare Node against the forwarder, in turns, so that what else the machine does hits all; more is better. */
async function compared(what: string, unit: string, forwarder: string, limit: number, work: Work): Promise<Measurement[]> {
  const ways = ["forwarder", ...BARE, ...TRANSPORTS] as const;
  const results = await inTurns(ways, work);
  const raw = results.forwarder;
  const bare = BARE.map((way) => `${way} twice ${(results[way] / raw).toFixed(2)}`).join(", ");
  return TRANSPORTS.map((transport) => ({
    name: `proxy: ${what}, ${transport}`,
    value: results[transport],
    unit,
    raw,
    ratio: results[transport] / raw,
    bar: { kind: "at least", limit },
    note: `raw is ${forwarder}; ${bare}`,
  }));
}

async function addedLatency(milliseconds: Work): Promise<Measurement[]> {
  const p50 = await inTurns(["direct", "forwarder", ...TRANSPORTS], milliseconds);
  const added = (way: "forwarder" | (typeof TRANSPORTS)[number]): number => (p50[way] - p50.direct) * 1_000;
  return TRANSPORTS.map((transport) => ({
    name: `proxy: added to a round trip of 64 B, p50, ${transport}`,
    value: added(transport),
    unit: "µs",
    raw: added("forwarder"),
    bar: { kind: "at most", limit: 300 },
    note: `without any: ${(p50.direct * 1_000).toFixed(0)} µs`,
  }));
}

/** The median of each way. */
async function inTurns<W extends Way>(ways: readonly W[], work: Work): Promise<Record<W, number>> {
  const results = Object.fromEntries(ways.map((way) => [way, [] as number[]])) as Record<W, number[]>;
  for (let round = 0; round < ROUNDS; round += 1) for (const way of ways) results[way].push(await work(way));
  return Object.fromEntries(ways.map((way) => [way, median(results[way])])) as Record<W, number>;
}

/** Memory before and while 1,000 connections are there that have moved a few bytes. */
async function held(transport: string, pair: ProxyPair, hold: () => Promise<unknown>): Promise<Measurement[]> {
  const before = pair.residentBytes();
  const start = performance.now();
  await hold();
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  await pause(1_000);
  const after = pair.residentBytes();
  return (["proxy", "gateway"] as const).map((end) => ({
    name: `proxy: memory of the ${end} with ${CONNECTIONS} connections, ${transport}`,
    value: after[end] / MIB,
    unit: "MiB",
    note: `${(before[end] / MIB).toFixed(0)} MiB before; opened, and ${CONNECTION_BYTES / 1_000} kB echoed by each, in ${seconds} s`,
  }));
}
