import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { SeededRng } from "../base/rng.ts";
import type { AckContent } from "./ack-tracker.ts";
import { Path } from "./path.ts";

const KiB = 1024;
const NEVER = Number.POSITIVE_INFINITY;

interface Bottleneck {
  /** Bytes per millisecond; may be changed while the simulation runs. */
  rate: number;
  /** Round-trip time of the wires alone, in milliseconds. */
  rttMs: number;
  /** Turn of the event loop at both ends, in milliseconds; 0 = immediate. */
  turnMs?: number;
  /** Turns vary by this share, 0 to 1. */
  turnJitter?: number;
  /** Bytes that the application produces per millisecond; unlimited if absent. */
  appRate?: number;
}

/** A saturating sender, a link with one bottleneck queue, a receiver that only acknowledges. Time is simulated. */
class BottleneckSimulation {
  readonly bottleneck: Bottleneck;
  readonly sender: Path<undefined>;
  readonly receiver: Path<undefined>;
  now = 0;
  deliveredBytes = 0;
  queuedBytes = 0;
  maxQueuedBytes = 0;
  readonly #rng = new SeededRng(7);
  readonly #queue: { number: number; bytes: number }[] = [];
  #servedAt = NEVER;
  readonly #arriving: { at: number; number: number; bytes: number }[] = [];
  readonly #acks: { at: number; ack: AckContent }[] = [];
  #receiverTurn = 0;
  #senderTurn = 0;
  #appBytes = 0;
  #appAt = 0;

  constructor(bottleneck: Bottleneck) {
    this.bottleneck = bottleneck;
    this.sender = new Path(0, 1, DEFAULT_LIMITS, 0);
    this.receiver = new Path(0, 0, DEFAULT_LIMITS, 0);
    this.sender.setState("active", "", 0);
    this.receiver.setState("active", "", 0);
    this.#send();
  }

  /** Share of the bottleneck's capacity that was used during the next `ms`; starts a new maximum of the queue. */
  run(ms: number): number {
    const end = this.now + ms;
    const before = this.deliveredBytes;
    this.maxQueuedBytes = 0;
    for (;;) {
      const next = Math.min(this.#servedAt, this.#receiverWakes(), this.#senderWakes());
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (this.#servedAt <= this.now) this.#serve();
      if (this.#receiverWakes() <= this.now) this.#receive();
      if (this.#senderWakes() <= this.now) this.#acknowledged();
    }
    this.now = end;
    return (this.deliveredBytes - before) / (ms * this.bottleneck.rate);
  }

  #turnAfter(now: number): number {
    const { turnMs = 0, turnJitter = 0 } = this.bottleneck;
    return now + turnMs * (1 - turnJitter + 2 * turnJitter * this.#rng.next());
  }

  #receiverWakes(): number {
    return Math.max(Math.min(this.#arriving[0]?.at ?? NEVER, this.receiver.ackDueAt ?? NEVER), this.#receiverTurn);
  }

  #senderWakes(): number {
    const app = this.bottleneck.appRate === undefined ? NEVER : this.#appAt;
    return Math.max(Math.min(this.#acks[0]?.at ?? NEVER, app), this.#senderTurn);
  }

  #send(): void {
    for (;;) {
      const available = this.bottleneck.appRate === undefined ? NEVER : this.#appBytes;
      const bytes = Math.floor(Math.min(this.sender.packetBytes(), available));
      if (bytes <= 0) return this.sender.setAppLimited();
      if (this.sender.roomBytes < bytes) return;
      this.#appBytes -= bytes;
      const number = this.sender.nextPacketNumber();
      this.sender.handleSent(this.now, number, bytes, true, []);
      this.#queue.push({ number, bytes });
      this.queuedBytes += bytes;
      this.maxQueuedBytes = Math.max(this.maxQueuedBytes, this.queuedBytes);
      if (this.#queue.length === 1) this.#servedAt = this.now + bytes / this.bottleneck.rate;
    }
  }

  #serve(): void {
    const packet = this.#queue.shift();
    if (packet === undefined) return;
    this.queuedBytes -= packet.bytes;
    this.deliveredBytes += packet.bytes;
    this.#arriving.push({ at: this.#servedAt + this.bottleneck.rttMs / 2, ...packet });
    const next = this.#queue[0];
    this.#servedAt = next === undefined ? NEVER : this.#servedAt + next.bytes / this.bottleneck.rate;
  }

  #receive(): void {
    for (let packet = this.#arriving[0]; packet !== undefined && packet.at <= this.now; packet = this.#arriving[0]) {
      this.#arriving.shift();
      expect(this.receiver.handlePacket(this.now, packet.number, true, packet.bytes)).toBe(true);
      // A batch is acknowledged as a whole, an immediate receiver acknowledges as it goes.
      if (this.bottleneck.turnMs === undefined) this.#pollAck();
    }
    this.#pollAck();
    this.#receiverTurn = this.#turnAfter(this.now);
  }

  #pollAck(): void {
    const ack = this.receiver.pollAck(this.now);
    if (ack !== undefined) this.#acks.push({ at: this.now + this.bottleneck.rttMs / 2, ack });
  }

  #acknowledged(): void {
    if (this.bottleneck.appRate !== undefined && this.now >= this.#appAt) {
      this.#appBytes += this.bottleneck.appRate * 10;
      this.#appAt = this.now + 10;
    }
    for (let next = this.#acks[0]; next !== undefined && next.at <= this.now; next = this.#acks[0]) {
      this.#acks.shift();
      const result = this.sender.handleAck(this.now, next.ack);
      expect(Array.isArray(result)).toBe(true);
    }
    this.#send();
    this.#senderTurn = this.#turnAfter(this.now);
  }
}

const jitter = 0.5;
const MB = 1_000_000;
const cases: { name: string; bottleneck: Bottleneck; startupMs: number; maxQueueMs?: number; utilisation?: number }[] = [
  { name: "10 Mbit/s, 20 ms", bottleneck: { rate: 1_250, rttMs: 20 }, startupMs: 600 },
  { name: "10 Mbit/s, 20 ms, turns of 2 ms", bottleneck: { rate: 1_250, rttMs: 20, turnMs: 2, turnJitter: jitter }, startupMs: 600 },
  { name: "1 Mbit/s, 60 ms", bottleneck: { rate: 125, rttMs: 60 }, startupMs: 5_000, maxQueueMs: 720 },
  { name: "100 Mbit/s, 40 ms", bottleneck: { rate: 12_500, rttMs: 40 }, startupMs: 1_000 },
  { name: "100 Mbit/s, 40 ms, turns of 2 ms", bottleneck: { rate: 12_500, rttMs: 40, turnMs: 2, turnJitter: jitter }, startupMs: 1_000 },
  { name: "400 Mbit/s, 100 ms", bottleneck: { rate: 50_000, rttMs: 100 }, startupMs: 2_500 },
  { name: "400 Mbit/s, 100 ms, turns of 2 ms", bottleneck: { rate: 50_000, rttMs: 100, turnMs: 2, turnJitter: jitter }, startupMs: 2_500 },
  // On fast short paths the turns of the event loops, not the wires, set what must be in flight.
  { name: "1 Gbit/s, 0.2 ms", bottleneck: { rate: 125_000, rttMs: 0.2 }, startupMs: 500, maxQueueMs: 5 },
  { name: "1 GB/s, 0.2 ms", bottleneck: { rate: MB, rttMs: 0.2 }, startupMs: 500, maxQueueMs: 4 },
  {
    name: "1 GB/s, 0.2 ms, turns of 1 ms",
    bottleneck: { rate: MB, rttMs: 0.2, turnMs: 1, turnJitter: jitter },
    startupMs: 500,
    maxQueueMs: 7,
  },
  // Slow turns at such a rate would need more in flight than the bound of the slack allows.
  {
    name: "1 GB/s, 1 ms, turns of 2 ms",
    bottleneck: { rate: MB, rttMs: 1, turnMs: 2, turnJitter: 0.2 },
    startupMs: 500,
    maxQueueMs: 8,
    utilisation: 0.93,
  },
  {
    name: "1 GB/s, 0.2 ms, turns of 4 ms",
    bottleneck: { rate: MB, rttMs: 0.2, turnMs: 4, turnJitter: jitter },
    startupMs: 500,
    maxQueueMs: 8,
    utilisation: 0.77,
  },
  {
    name: "100 MB/s, turns of 10 ms",
    bottleneck: { rate: 100_000, rttMs: 0.2, turnMs: 10, turnJitter: jitter },
    startupMs: 500,
    maxQueueMs: 40,
  },
];

for (const { name, bottleneck, startupMs, maxQueueMs, utilisation: leastUtilisation = 0.97 } of cases) {
  // spec: PATH-11
  test(`fills ${name} and keeps the queue short`, () => {
    const simulation = new BottleneckSimulation({ ...bottleneck });
    simulation.run(startupMs);
    const utilisation = simulation.run(bottleneck.rate > 200_000 ? 300 : 3_000);
    const bdp = bottleneck.rate * bottleneck.rttMs;
    expect(utilisation).toBeGreaterThan(leastUtilisation);
    expect(simulation.maxQueuedBytes).toBeLessThanOrEqual(maxQueueMs === undefined ? bdp + 64 * KiB : maxQueueMs * bottleneck.rate);
  });
}

// spec: PATH-11
test("ramps up within a few round trips", () => {
  const lan = new BottleneckSimulation({ rate: 1_000_000, rttMs: 0.5, turnMs: 0.5, turnJitter: 0.5 });
  lan.run(60);
  expect(lan.run(40)).toBeGreaterThan(0.97);
  const wan = new BottleneckSimulation({ rate: 50_000, rttMs: 100 });
  wan.run(800);
  expect(wan.run(400)).toBeGreaterThan(0.97);
});

test("takes what is there when the bottleneck becomes ten times wider", () => {
  const simulation = new BottleneckSimulation({ rate: 1_250, rttMs: 20 });
  simulation.run(2_000);
  simulation.bottleneck.rate = 12_500;
  simulation.run(400);
  expect(simulation.run(1_000)).toBeGreaterThan(0.97);
  expect(simulation.maxQueuedBytes).toBeLessThanOrEqual(12_500 * 20 + 64 * KiB);
});

test("drains its queue soon after the bottleneck became ten times narrower", () => {
  const simulation = new BottleneckSimulation({ rate: 12_500, rttMs: 20 });
  simulation.run(2_000);
  simulation.bottleneck.rate = 1_250;
  simulation.run(1_200);
  expect(simulation.run(2_000)).toBeGreaterThan(0.97);
  expect(simulation.maxQueuedBytes).toBeLessThanOrEqual(1_250 * 20 + 64 * KiB);
});

// spec: PATH-11
test("does not take its own queue for the length of the path, however long it runs", () => {
  const simulation = new BottleneckSimulation({ rate: 1_250, rttMs: 20 });
  simulation.run(5_000);
  for (let i = 0; i < 6; i += 1) {
    expect(simulation.run(10_000)).toBeGreaterThan(0.97);
    // The minimum holds the time that the packet itself takes, so a packet more than elsewhere.
    expect(simulation.maxQueuedBytes).toBeLessThanOrEqual(1_250 * 20 + 72 * KiB);
  }
  expect(simulation.sender.minRttMs).toBeLessThan(40);
});

test("learns a longer route within its window", () => {
  const simulation = new BottleneckSimulation({ rate: 12_500, rttMs: 10 });
  simulation.run(3_000);
  simulation.bottleneck.rttMs = 80;
  simulation.run(25_000);
  expect(simulation.sender.minRttMs).toBeGreaterThan(79);
  expect(simulation.run(3_000)).toBeGreaterThan(0.97);
});

test("an application that sends little does not shrink the path", () => {
  const bottleneck: Bottleneck = { rate: 12_500, rttMs: 20 };
  const simulation = new BottleneckSimulation(bottleneck);
  simulation.run(2_000);
  const limit = simulation.sender.inFlightLimitBytes;
  bottleneck.appRate = 200;
  simulation.run(5_000);
  expect(simulation.sender.inFlightLimitBytes).toBeGreaterThan(limit * 0.8);
});

test("a slow application does not make the path look slow from the start", () => {
  const bottleneck: Bottleneck = { rate: 12_500, rttMs: 20, appRate: 100 };
  const simulation = new BottleneckSimulation(bottleneck);
  simulation.run(3_000);
  expect(simulation.sender.inFlightLimitBytes).toBeGreaterThanOrEqual(64 * KiB);
  delete bottleneck.appRate;
  simulation.run(600);
  expect(simulation.run(500)).toBeGreaterThan(0.97);
});
