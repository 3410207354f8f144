import { readFileSync } from "node:fs";
import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { loopbackCertificate } from "../raw/loopback-certificate.ts";
import { pause } from "../sampling.ts";

/** Idle sessions of one server process at which memory and echo are measured. */
const STEPS: Readonly<Record<IdleTransport, readonly number[]>> = {
  // Each client has a thread of the engine: with more than this many on the same machine they keep each other waiting, and their memory grows meanwhile.
  quic: [100, 1_000],
  tcp: [100, 1_000, 2_000],
};
const LOOK_MS = 4_000;
/** The first sessions of a process bring code and pools into memory, which later ones share. */
const WARM_UP_SESSIONS = 20;
/** What several processes are to have together, where memory allows. */
const SESSIONS_IN_ALL = 10_000;
const SESSIONS_PER_SERVER = 2_000;
/** Sessions of one client process. */
const SESSIONS_PER_CLIENT = 250;
/** Memory that stays free, in bytes. */
const RESERVE_BYTES = 4 * 1024 ** 3;
/** No further sessions are begun after this, in milliseconds. */
const DIAL_TIME_MS = 110_000;
const ECHOES = 4_000;
const ECHO_BYTES = 64;
const KIB = 1024;
const MIB = KIB * KIB;

/** The more sessions there are the longer each handshake waits for its turn. */
const CLIENT_LIMITS = { handshakeTimeoutMs: 60_000 };
/** All clients come from one network, at once. */
const LIMITS = {
  ...CLIENT_LIMITS,
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

/** What idle sessions cost a server process in memory and processor time, and the others in latency; then the same in several processes of one key. */
export async function idle(): Promise<Measurement[]> {
  const overQuic = await overEngine();
  // Memory of the processes that were killed comes back by and by.
  await pause(3_000);
  using crowd = new IdleCrowd("tcp");
  const { measurements, serverBytes, bothEndsBytes } = await steps(crowd);
  return [...overQuic, ...measurements, ...(await inAll(crowd, serverBytes, bothEndsBytes))];
}

async function overEngine(): Promise<Measurement[]> {
  using crowd = new IdleCrowd("quic");
  const { measurements, serverBytes } = await steps(crowd);
  const note = `calculated from ${crowd.sessions} sessions`;
  const value = (SESSIONS_PER_SERVER * serverBytes) / MIB;
  return [...measurements, { name: `idle, QUIC: server memory of ${SESSIONS_PER_SERVER} sessions`, value, unit: "MiB", note }];
}

interface Steps {
  readonly measurements: Measurement[];
  /** Memory of one session at the server, and at both ends, in bytes. */
  readonly serverBytes: number;
  readonly bothEndsBytes: number;
}

/** More and more sessions at one server. */
async function steps(crowd: IdleCrowd): Promise<Steps> {
  const name = `idle, ${crowd.transport === "quic" ? "QUIC" : "TCP"}`;
  const server = await crowd.server();
  await crowd.dial(server, WARM_UP_SESSIONS);
  const before = await rss(server);
  const availableBefore = availableBytes();
  const measurements: Measurement[] = [];
  let serverBytes = 0;
  for (const count of STEPS[crowd.transport]) {
    await crowd.dial(server, count - crowd.sessionsOf(server));
    const share = await processorShare(server);
    const { p50, p99 } = await crowd.echo(server);
    serverBytes = ((await rss(server)) - before) / (count - WARM_UP_SESSIONS);
    const what = `${count} sessions`;
    measurements.push(
      { name: `${name}: server memory of each of ${what}`, value: serverBytes / KIB, unit: "KiB" },
      { name: `${name}: processors that the server uses for ${what}`, value: share, unit: "" },
      { name: `${name}: echo beside ${what}, p50`, value: p50 * 1000, unit: "µs" },
      { name: `${name}: echo beside ${what}, p99`, value: p99 * 1000, unit: "µs" },
    );
  }
  return { measurements, serverBytes, bothEndsBytes: (availableBefore - availableBytes()) / (crowd.sessions - WARM_UP_SESSIONS) };
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
  const why = crowd.isLate
    ? `what was dialled in ${DIAL_TIME_MS / 1000} s`
    : `as many as memory holds, ${(bothEndsBytes / MIB).toFixed(1)} MiB at both ends for each`;
  return [
    {
      name: `idle, TCP: sessions in ${crowd.servers.length} processes of one key`,
      value: reached,
      unit: "sessions",
      note: reached < SESSIONS_IN_ALL ? `of ${SESSIONS_IN_ALL}; ${why}` : "",
    },
    { name: "idle, TCP: echo beside them, worst process, p50", value: worst("p50") * 1000, unit: "µs" },
    { name: "idle, TCP: echo beside them, worst process, p99", value: worst("p99") * 1000, unit: "µs" },
    {
      name: `idle, TCP: server memory of ${SESSIONS_IN_ALL} sessions in ${processes} processes`,
      value: (SESSIONS_IN_ALL * serverBytes) / MIB,
      unit: "MiB",
      note: `calculated, ${SESSIONS_IN_ALL} times that of each of ${SESSIONS_PER_SERVER}`,
    },
  ];
}

type IdleTransport = "quic" | "tcp";

/** Server processes of one key, and client processes with sessions that do nothing. */
class IdleCrowd implements Disposable {
  readonly servers: BenchProcess[] = [];
  readonly #clients: { readonly server: BenchProcess; readonly process: BenchProcess; readonly sessions: number }[] = [];
  readonly #tls = loopbackCertificate();
  readonly transport: IdleTransport;
  readonly #lateAt = performance.now() + DIAL_TIME_MS;

  constructor(transport: IdleTransport) {
    this.transport = transport;
  }

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
    const server = await BenchProcess.start("kwik-server", { limits: LIMITS, tls: this.#tls, transport: this.transport });
    this.servers.push(server);
    return server;
  }

  /** Begins so many sessions more at a server. */
  async dial(server: BenchProcess, count: number): Promise<void> {
    // One client after the other: those that dial at once wait for each other, and hold more memory for it than it costs to be idle.
    for (let left = count; left > 0 && !this.isLate; ) {
      const sessions = Math.min(SESSIONS_PER_CLIENT, left);
      left -= sessions;
      const process = await BenchProcess.start("kwik-client", { url: server.ready, limits: CLIENT_LIMITS });
      await process.ask("sessions", { count: sessions - 1 }, 2 * DIAL_TIME_MS);
      this.#clients.push({ server, process, sessions });
    }
  }

  /** Round trips of one more client, in milliseconds. */
  async echo(server: BenchProcess): Promise<{ readonly p50: number; readonly p99: number }> {
    using client = await BenchProcess.start("kwik-client", { url: server.ready, limits: CLIENT_LIMITS });
    await client.ask("echo", { count: ECHOES, bytes: ECHO_BYTES });
    return await client.ask("echo", { count: ECHOES, bytes: ECHO_BYTES });
  }

  [Symbol.dispose](): void {
    for (const { process } of this.#clients) process[Symbol.dispose]();
    for (const server of this.servers) server[Symbol.dispose]();
  }
}

/** Processors that it uses just now. */
async function processorShare(server: BenchProcess): Promise<number> {
  const before = await server.ask<number>("cpu");
  await pause(LOOK_MS);
  return ((await server.ask<number>("cpu")) - before) / (LOOK_MS / 1000);
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
