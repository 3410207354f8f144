import type { Measurement } from "../measurement.ts";
import { BenchProcess } from "../process/bench-process.ts";
import { pause } from "../sampling.ts";

const SESSIONS = 200;
const STREAMS = 5_000;
const PAUSED_BYTES = 1e9;
const PAUSE_MS = 5_000;
const KIB = 1024;

type Memory = { readonly rss: number };

/** What idle sessions and idle streams cost a server, and what a reader that pauses holds. */
export async function memory(): Promise<Measurement[]> {
  return [await idleSessions(), await idleStreams(), ...(await pausedReader())];
}

async function idleSessions(): Promise<Measurement> {
  using server = await BenchProcess.start("kwik-server");
  using client = await BenchProcess.start("kwik-client", { url: server.ready });
  await client.ask("sessions", { count: 20 });
  const before = await rss(server);
  await client.ask("sessions", { count: SESSIONS });
  const each = ((await rss(server)) - before) / SESSIONS / KIB;
  return { name: "memory: server, idle session", value: each, unit: "KiB", bar: { kind: "at most", limit: 256 }, note: `of ${SESSIONS}` };
}

async function idleStreams(): Promise<Measurement> {
  using server = await BenchProcess.start("kwik-server", { limits: { maxStreams: 2 * STREAMS } });
  using client = await BenchProcess.start("kwik-client", { url: server.ready });
  await client.ask("idleStreams", { count: 200 });
  const before = await rss(server);
  await client.ask("idleStreams", { count: STREAMS });
  const each = ((await rss(server)) - before) / STREAMS / KIB;
  return { name: "memory: server, idle stream", value: each, unit: "KiB", bar: { kind: "at most", limit: 16 }, note: `of ${STREAMS}` };
}

async function pausedReader(): Promise<Measurement[]> {
  const limits = { maxStreamWindowBytes: 8 * KIB * KIB };
  using server = await BenchProcess.start("kwik-server");
  using client = await BenchProcess.start("kwik-client", { url: server.ready, limits });
  const paused = await client.ask<{ held: number; rss: number; bytes: number }>(
    "pausedDownload",
    { bytes: PAUSED_BYTES, pauseMs: PAUSE_MS },
    120_000,
  );
  const note = `${(paused.bytes / 1e9).toFixed(0)} GB, paused for ${PAUSE_MS / 1000} s, window 8 MiB`;
  return [
    { name: "memory: held by a paused reader", value: paused.held / KIB, unit: "KiB", bar: { kind: "at most", limit: 8 * KIB }, note },
    { name: "memory: growth of its process", value: paused.rss / KIB, unit: "KiB", bar: { kind: "at most", limit: 8 * KIB }, note },
  ];
}

async function rss(server: BenchProcess): Promise<number> {
  await pause(500);
  return (await server.ask<Memory>("memory")).rss;
}
