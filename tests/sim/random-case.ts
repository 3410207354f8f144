import { lineOf, OperationRunner, World, type IncidentKind, type Operation } from "@kwik/testkit";

/** A session over some servers, and what happens in it. */
export interface RandomCase {
  readonly seed: number;
  /** Lines of each server, each as Mbit/s and round trip. */
  readonly servers: readonly { readonly lines: readonly { readonly mbit: number; readonly rttMs: number; readonly isRough: boolean }[] }[];
  readonly operations: readonly Operation[];
  /** How long servers wait for the client, which waits for 4 s; the same by default. */
  readonly serverGraceMs?: number;
}

const ANYTHING: IncidentKind[] = [
  "path-degraded",
  "path-recovered",
  "path-dead",
  "path-failed",
  "suspended",
  "resumed",
  "redial",
  "stream-failed",
  "resent",
  "source-slow",
];

const CLIENT_GRACE_MS = 4_000;

/** Plays a case; throws if any invariant is broken. */
export function play(one: RandomCase): void {
  const rough = { jitterMs: 10, lossRate: 0.02, isRagged: true, chunkBytes: 6000 };
  const world = new World({
    seed: one.seed,
    servers: one.servers.map((server) => ({
      lines: server.lines.map((line) => lineOf(line.mbit, line.rttMs, line.isRough ? rough : {})),
      diskMs: 1,
    })),
    limits: { graceMs: CLIENT_GRACE_MS },
    serverLimits: { graceMs: one.serverGraceMs ?? CLIENT_GRACE_MS },
    expected: ANYTHING,
    checkEvery: 1,
  });
  world.startAll();
  new OperationRunner(world).run(one.operations);
}
