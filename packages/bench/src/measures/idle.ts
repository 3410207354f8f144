import { readFileSync } from "node:fs";
import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { loopbackCertificate } from "../raw/loopback-certificate.ts";
import { pause } from "../sampling.ts";

/** Idle sessions of one server process at which memory and echo are measured. */
const STEPS = [100, 1_000, 2_000] as const;
/** The first sessions of a process bring code and pools into memory, which later ones share. */
const WARM_UP_SESSIONS = 20;
/** What several processes are to have together, where memory allows. */
const SESSIONS_IN_ALL = 10_000;
const SESSIONS_PER_SERVER = 2_000;
/** Sessions of one client process: the engine needs a thread for each. */
const SESSIONS_PER_CLIENT = 250;
/** Client processes that dial at the same time. */
const DIALLING = 4;
/** Memory that stays free, in bytes. */
const RESERVE_BYTES = 4 * 1024 ** 3;
/** No further sessions are begun after this, in milliseconds. */
const DIAL_TIME_MS = 150_000;
const ECHOES = 4_000;
const ECHO_BYTES = 64;
const KIB = 1024;
const MIB = KIB * KIB;

/** All clients come from one network, at once. */
const LIMITS = {
  maxConnections: 2 * SESSIONS_PER_SERVER,
  maxHandshakes: 2 * SESSIONS_PER_SERVER,
  maxSessions: 2 * SESSIONS_PER_SERVER,
  maxSessionsPerPrefix: 2 * SESSIONS_PER_SERVER,
  handshakesPerSecond: 1e6,
  handshakeBurst: 1e6,
  handshakesPerSecondPerPrefix: 1e6,
  handshakeBurstPerPrefix: 1e6,
  pathsPerSecondPerPrefix: 1e6,
  pathBurstPerPrefix: 1e6,
};

/** What idle sessions cost a server process in memory, and the others in latency; then the same in several processes of one key. */
export async function idle(): Promise<Measurement[]> {
  using crowd = new IdleCrowd();
  const server = await crowd.server();
  await crowd.dial(server, WARM_UP_SESSIONS);
  const before = await rss(server);
  const freeBefore = availableBytes();
  const measurements: Measurement[] = [];
  let each = 0;
  for (const step of STEPS) {
    await crowd.dial(server, step - crowd.sessionsOf(server));
    const { p50, p99 } = await crowd.echo(server);
    each = ((await rss(server)) - before) / (step - WARM_UP_SESSIONS);
    measurements.push(
      { name: `idle: server memory of each of ${step} sessions`, value: each / KIB, unit: "KiB" },
      { name: `idle: echo beside ${step} sessions, p50`, value: p50 * 1000, unit: "µs" },
      { name: `idle: echo beside ${step} sessions, p99`, value: p99 * 1000, unit: "µs" },
    );
  }
  const bothEnds = (freeBefore - availableBytes()) / (crowd.sessions - WARM_UP_SESSIONS);
  return [...measurements, ...(await inAll(crowd, each, bothEnds))];
}

/** Further processes, as many sessions as fit; `serverBytes` and `bothEndsBytes` are what one has cost so far. */
async function inAll(crowd: IdleCrowd, serverBytes: number, bothEndsBytes: number): Promise<Measurement[]> {
  const fitting = Math.floor((availableBytes() - RESERVE_BYTES) / bothEndsBytes);
  const wanted = Math.min(SESSIONS_IN_ALL, crowd.sessions + Math.max(0, fitting));
  while (crowd.sessions < wanted && !crowd.isLate) {
    const server = await crowd.server();
    await crowd.dial(server, Math.min(SESSIONS_PER_SERVER, wanted - crowd.sessions));
  }
  const reached = crowd.sessions;
  const echoes: { readonly p50: number; readonly p99: number }[] = [];
  for (const server of crowd.servers) echoes.push(await crowd.echo(server));
  const worst = (which: "p50" | "p99"): number => Math.max(...echoes.map((one) => one[which]));
  const processes = SESSIONS_IN_ALL / SESSIONS_PER_SERVER;
  const why = crowd.isLate ? "more would have taken too long" : `memory of both ends, ${(bothEndsBytes / MIB).toFixed(1)} MiB for each`;
  return [
    {
      name: `idle: sessions in ${crowd.servers.length} processes of one key`,
      value: reached,
      unit: "sessions",
      note: reached < SESSIONS_IN_ALL ? `of ${SESSIONS_IN_ALL}; bounded by ${why}` : "",
    },
    { name: "idle: echo beside them, worst process, p50", value: worst("p50") * 1000, unit: "µs" },
    { name: "idle: echo beside them, worst process, p99", value: worst("p99") * 1000, unit: "µs" },
    {
      name: `idle: server memory of ${SESSIONS_IN_ALL} sessions in ${processes} processes`,
      value: (SESSIONS_IN_ALL * serverBytes) / MIB,
      unit: "MiB",
      note: `calculated, ${SESSIONS_IN_ALL} times that of each of ${SESSIONS_PER_SERVER}`,
    },
  ];
}

/** Server processes of one key, and client processes with sessions that do nothing. */
class IdleCrowd implements Disposable {
  readonly servers: BenchProcess[] = [];
  readonly #clients: { readonly server: BenchProcess; readonly process: BenchProcess; sessions: number }[] = [];
  readonly #tls = loopbackCertificate();
  readonly #lateAt = performance.now() + DIAL_TIME_MS;

  get isLate(): boolean {
    return performance.now() > this.#lateAt;
  }

  get sessions(): number {
    return this.#clients.reduce((sum, { sessions }) => sum + sessions, 0);
  }

  sessionsOf(server: BenchProcess): number {
    return this.#clients.filter((one) => one.server === server).reduce((sum, { sessions }) => sum + sessions, 0);
  }

  async server(): Promise<BenchProcess> {
    const server = await BenchProcess.start("kwik-server", { limits: LIMITS, tls: this.#tls });
    this.servers.push(server);
    return server;
  }

  /** Begins so many sessions more at a server. */
  async dial(server: BenchProcess, count: number): Promise<void> {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        const sessions = Math.min(SESSIONS_PER_CLIENT, left);
        left -= sessions;
        const process = await BenchProcess.start("kwik-client", { url: server.ready });
        const client = { server, process, sessions: 1 };
        this.#clients.push(client);
        await process.ask("sessions", { count: sessions - 1 }, 2 * DIAL_TIME_MS);
        client.sessions = sessions;
      }
    };
    await Promise.all(Array.from({ length: DIALLING }, lane));
  }

  /** Round trips of one more client, in milliseconds. */
  async echo(server: BenchProcess): Promise<{ readonly p50: number; readonly p99: number }> {
    using client = await BenchProcess.start("kwik-client", { url: server.ready });
    await client.ask("echo", { count: ECHOES, bytes: ECHO_BYTES });
    return await client.ask("echo", { count: ECHOES, bytes: ECHO_BYTES });
  }

  [Symbol.dispose](): void {
    for (const { process } of this.#clients) process[Symbol.dispose]();
    for (const server of this.servers) server[Symbol.dispose]();
  }
}

async function rss(server: BenchProcess): Promise<number> {
  await pause(500);
  return (await server.ask<{ readonly rss: number }>("memory")).rss;
}

/** Memory that can still be had on this machine, in bytes. */
function availableBytes(): number {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  if (kibibytes === undefined) throw new Error("this kernel does not say how much memory is available; the measurement needs Linux");
  return Number(kibibytes) * KIB;
}
