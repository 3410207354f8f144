import fc from "fast-check";
import { expect, test } from "vitest";
import { EarliestCompletion } from "./earliest-completion.ts";
import { MinRtt } from "./min-rtt.ts";
import { RoundRobin } from "./round-robin.ts";
import type { PathView, Scheduler } from "./scheduler.ts";

const KiB = 1024;

interface Pipe {
  /** Bytes per millisecond. */
  rate: number;
  rttMs: number;
  limitBytes?: number;
}

/** A path that serves at its rate; the view is exact, as after a long measurement. */
class PipePath implements PathView {
  readonly id: number;
  readonly smoothedRttMs: number;
  readonly minRttMs: number;
  readonly deliveryRate: number;
  readonly inFlightLimitBytes: number;
  readonly usualPacketBytes = 64 * KiB;
  inFlightBytes = 0;
  isSuspect = false;
  priority = 128;
  busyUntil = 0;
  sentBytes = 0;
  readonly acks: { at: number; bytes: number }[] = [];

  constructor(id: number, pipe: Pipe) {
    this.id = id;
    this.smoothedRttMs = pipe.rttMs;
    this.minRttMs = pipe.rttMs;
    this.deliveryRate = pipe.rate;
    this.inFlightLimitBytes = pipe.limitBytes ?? 1.25 * pipe.rate * pipe.rttMs + 64 * KiB;
  }

  /** Answers when it arrives. */
  send(now: number, bytes: number): number {
    this.busyUntil = Math.max(this.busyUntil, now) + bytes / this.deliveryRate;
    this.inFlightBytes += bytes;
    this.sentBytes += bytes;
    this.acks.push({ at: this.busyUntil + this.minRttMs, bytes });
    return this.busyUntil + this.minRttMs / 2;
  }

  acknowledge(now: number): void {
    for (let ack = this.acks[0]; ack !== undefined && ack.at <= now; ack = this.acks[0]) {
      this.inFlightBytes -= ack.bytes;
      this.acks.shift();
    }
  }
}

/** Sends `total` bytes and answers when the last of them has arrived. */
function transfer(scheduler: Scheduler, paths: PipePath[], total: number): number {
  let now = 0;
  let left = total;
  let done = 0;
  while (left > 0) {
    const packet = Math.min(16 * KiB, left);
    const path = scheduler.pick(paths, packet, left, now) as PipePath | undefined;
    if (path === undefined) {
      const next = Math.min(...paths.map((each) => each.acks[0]?.at ?? Number.POSITIVE_INFINITY));
      expect(next, "it waits although nothing is under way").toBeLessThan(Number.POSITIVE_INFINITY);
      now = next;
      for (const each of paths) each.acknowledge(now);
      continue;
    }
    const room = path.inFlightLimitBytes - path.inFlightBytes;
    expect(room).toBeGreaterThan(0);
    const bytes = Math.min(packet, Math.floor(room));
    done = Math.max(done, path.send(now, bytes));
    left -= bytes;
  }
  return done;
}

/** The best that any schedule can do: all paths work until the same moment. */
function idealMs(pipes: Pipe[], total: number): number {
  let low = 0;
  let high = 1e9;
  for (let i = 0; i < 100; i += 1) {
    const middle = (low + high) / 2;
    const carried = pipes.reduce((sum, pipe) => sum + pipe.rate * Math.max(0, middle - pipe.rttMs / 2), 0);
    if (carried < total) low = middle;
    else high = middle;
  }
  return high;
}

const transfers: { name: string; pipes: Pipe[]; total: number; factor: number }[] = [
  {
    name: "1 MB over 10:1 rates and 2:100 ms",
    pipes: [
      { rate: 12_500, rttMs: 2 },
      { rate: 1_250, rttMs: 100 },
    ],
    total: 1_000_000,
    factor: 1.1,
  },
  {
    name: "64 KiB over 10:1 rates and 2:100 ms",
    pipes: [
      { rate: 12_500, rttMs: 2 },
      { rate: 1_250, rttMs: 100 },
    ],
    total: 64 * KiB,
    factor: 1.1,
  },
  {
    name: "20 MB over 10:1 rates and 2:100 ms",
    pipes: [
      { rate: 12_500, rttMs: 2 },
      { rate: 1_250, rttMs: 100 },
    ],
    total: 20_000_000,
    factor: 1.03,
  },
  {
    name: "10 MB over two like paths",
    pipes: [
      { rate: 6_000, rttMs: 20 },
      { rate: 6_000, rttMs: 20 },
    ],
    total: 10_000_000,
    factor: 1.03,
  },
  {
    name: "1 MB over a slow near and a fast far path",
    pipes: [
      { rate: 1_250, rttMs: 10 },
      { rate: 12_500, rttMs: 80 },
    ],
    total: 1_000_000,
    factor: 1.1,
  },
  {
    name: "5 MB over four unlike paths",
    pipes: [
      { rate: 1_000, rttMs: 5 },
      { rate: 4_000, rttMs: 30 },
      { rate: 8_000, rttMs: 60 },
      { rate: 200, rttMs: 300 },
    ],
    total: 5_000_000,
    factor: 1.1,
  },
];

for (const { name, pipes, total, factor } of transfers) {
  test(`earliest completion brings ${name} nearly as soon as possible`, () => {
    const took = transfer(
      new EarliestCompletion(),
      pipes.map((pipe, id) => new PipePath(id, pipe)),
      total,
    );
    expect(took / idealMs(pipes, total)).toBeLessThan(factor);
  });
}

test("earliest completion leaves a slow path alone at the end, where the others do not", () => {
  const pipes = [
    { rate: 12_500, rttMs: 2 },
    { rate: 100, rttMs: 200 },
  ];
  const run = (scheduler: Scheduler): number =>
    transfer(
      scheduler,
      pipes.map((pipe, id) => new PipePath(id, pipe)),
      500_000,
    );
  const best = run(new EarliestCompletion());
  expect(best).toBeLessThan(45);
  expect(run(new RoundRobin())).toBeGreaterThan(5 * best);
  expect(run(new MinRtt())).toBeGreaterThan(5 * best);
});

test("with much to send earliest completion uses every path with room", () => {
  const paths = [new PipePath(0, { rate: 10_000, rttMs: 2 }), new PipePath(1, { rate: 1_000, rttMs: 100 })];
  transfer(new EarliestCompletion(), paths, 30_000_000);
  expect((paths[1]?.sentBytes ?? 0) / 30_000_000).toBeGreaterThan(0.08);
});

const schedulers: { name: string; make: () => Scheduler }[] = [
  { name: "round robin", make: () => new RoundRobin() },
  { name: "min rtt", make: () => new MinRtt() },
  { name: "earliest completion", make: () => new EarliestCompletion() },
];

for (const { name, make } of schedulers) {
  test(`${name} never picks a path without room or one that was not given, and brings everything over any paths`, () => {
    const pipe = fc.record({
      rate: fc.integer({ min: 10, max: 100_000 }),
      rttMs: fc.integer({ min: 0, max: 400 }),
      limitBytes: fc.integer({ min: 1, max: 500_000 }),
    });
    fc.assert(
      fc.property(fc.array(pipe, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 300_000 }), (pipes, total) => {
        // Paths that may have almost nothing in flight would only make the run long.
        const usable = pipes.map((each) => ({ ...each, limitBytes: Math.max(each.limitBytes, total / 100) }));
        const took = transfer(
          make(),
          usable.map((each, id) => new PipePath(id, each)),
          total,
        );
        expect(took).toBeLessThan(Number.POSITIVE_INFINITY);
      }),
      { numRuns: 60 },
    );
  });

  test(`${name} answers undefined without paths and with full ones`, () => {
    const scheduler = make();
    expect(scheduler.pick([], 1000, 1000, 0)).toBeUndefined();
    const path = new PipePath(0, { rate: 1000, rttMs: 10 });
    path.inFlightBytes = path.inFlightLimitBytes;
    expect(scheduler.pick([path], 1000, 1000, 0)).toBeUndefined();
  });

  test(`${name} uses suspect and lower paths only if there is nothing better`, () => {
    const scheduler = make();
    const fast = new PipePath(0, { rate: 10_000, rttMs: 1 });
    const slow = new PipePath(1, { rate: 100, rttMs: 50 });
    fast.isSuspect = true;
    expect(scheduler.pick([fast, slow], 1000, 1e6, 0)).toBe(slow);
    slow.inFlightBytes = slow.inFlightLimitBytes;
    expect(scheduler.pick([fast, slow], 1000, 1e6, 0)).toBeUndefined();
    slow.isSuspect = true;
    expect(scheduler.pick([fast, slow], 1000, 1e6, 0)).toBe(fast);
    fast.isSuspect = false;
    slow.isSuspect = false;
    slow.inFlightBytes = 0;
    slow.priority = 200;
    expect(scheduler.pick([fast, slow], 1000, 1e6, 0)).toBe(slow);
    slow.isSuspect = true;
    expect(scheduler.pick([fast, slow], 1000, 1e6, 0)).toBe(fast);
  });

  test(`${name} can work with a path about which nothing is known`, () => {
    const unknown: PathView = {
      id: 4,
      smoothedRttMs: undefined,
      minRttMs: undefined,
      deliveryRate: 0,
      inFlightBytes: 0,
      inFlightLimitBytes: 128 * KiB,
      usualPacketBytes: 16 * KiB,
      isSuspect: false,
      priority: 128,
    };
    expect(make().pick([unknown], 1000, 1000, 0)).toBe(unknown);
  });
}

test("round robin takes turns, whatever the order in which paths are given", () => {
  const paths = [5, 2, 9].map((id) => new PipePath(id, { rate: 100, rttMs: 10 }));
  const scheduler = new RoundRobin();
  const picked = Array.from({ length: 6 }, () => scheduler.pick(paths, 100, 100)?.id);
  expect(picked).toEqual([2, 5, 9, 2, 5, 9]);
});
