import { expect, test } from "vitest";
import { DEFAULT_LISTENER_LIMITS, type ListenerLimits } from "../api/listener-limits.ts";
import { AddressRange } from "../policy/address-range.ts";
import { ConnectionGate } from "./connection-gate.ts";

function gateOf(limits: Partial<ListenerLimits>, proxies: readonly string[] = []) {
  const clock = { now: 1_000 };
  const ranges = proxies.map((text) => AddressRange.parse(text));
  return { clock, gate: new ConnectionGate({ ...DEFAULT_LISTENER_LIMITS, ...limits }, () => clock.now, ranges) };
}

test("handshakes of one prefix are limited by it, those of all by all, and each says when to come again", () => {
  const { gate, clock } = gateOf({
    handshakesPerSecondPerPrefix: 10,
    handshakeBurstPerPrefix: 3,
    handshakesPerSecond: 20,
    handshakeBurst: 5,
  });
  const outcomes = ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3", "10.0.0.4:4"].map((remote) => gate.handshake(remote));
  expect(outcomes.map((refusal) => refusal?.retryAfterMs)).toEqual([undefined, undefined, undefined, 100]);
  expect(outcomes[3]).toMatchObject({ code: 0x0f, reason: "handshake-rate", text: expect.stringContaining("10.0.0.0/24") });
  // What the first had too much of was not paid by the others.
  expect(gate.handshake("10.0.1.1:1")).toBeUndefined();
  expect(gate.handshake("[2001:db8::1]:1")).toBeUndefined();
  expect(gate.handshake("10.0.2.1:1")).toMatchObject({ retryAfterMs: 50, text: expect.stringContaining("this server") });
  clock.now += 100;
  expect(gate.handshake("10.0.0.9:1")).toBeUndefined();
});

/** Each millisecond twenty connections of `prefixes` networks of one site, and now and then one of those that are to be let in. */
function flood(gate: ConnectionGate, clock: { now: number }, networks: number, others: readonly string[]): string[] {
  const refused: string[] = [];
  const end = clock.now + 10_000;
  for (let n = 0; clock.now < end; clock.now += 1) {
    for (let i = 0; i < 20; i += 1, n += 1) gate.handshake(`[2001:db8:0:${(n % networks).toString(16)}::1]:1`);
    if (clock.now % 100 === 0) refused.push(...others.filter((remote) => gate.handshake(remote) !== undefined));
  }
  return refused;
}

test.each([1, 16, 256, 65_536])("a flood of %i networks of one site leaves others their handshakes", (networks) => {
  const { gate, clock } = gateOf({});
  expect(flood(gate, clock, networks, ["198.51.100.7:1", "[2001:db8:1::1]:1"])).toEqual([]);
});

test("a flood from everywhere does not shut out networks that have a session here, while they have it", () => {
  const { gate, clock } = gateOf({ handshakesPerSecond: 50, handshakeBurst: 100 });
  const served = ["198.51.100.7:1", "[2001:db8:0:ffff::1]:1"];
  for (const remote of served) expect(gate.session(remote)).toBeUndefined();
  expect(flood(gate, clock, 256, served)).toEqual([]);
  for (const remote of served) gate.sessionEnded(remote);
  expect(new Set(flood(gate, clock, 256, served))).toEqual(new Set(served));
});

test("networks that have a session here have no more in all than the rate of all", () => {
  const { gate, clock } = gateOf({ handshakesPerSecond: 50, handshakeBurst: 100 });
  const remotes = Array.from({ length: 200 }, (_, index) => `198.51.${index}.1:1`);
  for (const remote of remotes) gate.session(remote);
  let taken = 0;
  const end = clock.now + 10_000;
  for (; clock.now < end; clock.now += 10) for (const remote of remotes) if (gate.handshake(remote) === undefined) taken += 1;
  expect(taken).toBeLessThanOrEqual(10 * 50 + 3 * 100);
});

test.each([
  ["two networks", "198.51.100.7:1", ["203.0.113.9:1", "192.0.2.9:1"]],
  ["twenty networks", "198.51.100.7:1", Array.from({ length: 20 }, (_, index) => `203.0.${index}.9:1`)],
  ["twenty networks of its site", "[2001:db8:0:ffff::1]:1", Array.from({ length: 20 }, (_, index) => `[2001:db8:0:${index}::1]:1`)],
])(
  "hostile clients of %s, that have a session in each, leave another that has one some handshakes, again and again",
  (_, honest, hostile) => {
    const { gate, clock } = gateOf({ handshakeBurst: 200, handshakeBurstPerSite: 200 });
    for (const remote of [honest, ...hostile]) expect(gate.session(remote)).toBeUndefined();
    const refused = new Set<number>();
    const start = clock.now;
    for (; clock.now < start + 6_000; clock.now += 1) {
      for (const remote of hostile) if (gate.handshake(remote) !== undefined) refused.add(clock.now);
      // From when on there is nothing left of any burst.
      if (clock.now >= start + 3_000 && clock.now % 100 === 0) expect(gate.handshake(honest)).toBeUndefined();
    }
    expect(refused.size).toBeGreaterThan(3_000);
  },
);

test("places of sessions are counted by prefix and in all, and given back", () => {
  const { gate } = gateOf({ maxSessions: 3, maxSessionsPerPrefix: 2 });
  expect([gate.session("10.0.0.1:1"), gate.session("10.0.0.2:1")]).toEqual([undefined, undefined]);
  expect(gate.session("10.0.0.3:1")).toMatchObject({ reason: "sessions", text: expect.stringContaining("10.0.0.0/24") });
  expect(gate.session("10.0.1.1:1")).toBeUndefined();
  expect(gate.session("10.0.2.1:1")).toMatchObject({ reason: "sessions", text: expect.stringContaining("this server has 3") });
  gate.sessionEnded("10.0.0.1:1");
  expect(gate.session("10.0.0.3:1")).toBeUndefined();
});

test("whoever was wrong too often is not even asked, until time has passed", async () => {
  const { gate, clock } = gateOf({ failedChecksPerMinutePerPrefix: 2 });
  for (let i = 0; i < 2; i += 1) {
    expect(await gate.check("10.0.0.1:1", { onOver: undefined })).toBeUndefined();
    gate.checked("10.0.0.1:1", true);
  }
  expect(await gate.check("10.0.0.200:1", { onOver: undefined })).toMatchObject({ reason: "failed-checks", retryAfterMs: 30_000 });
  expect(await gate.check("10.0.1.1:1", { onOver: undefined })).toBeUndefined();
  clock.now += 30_000;
  expect(await gate.check("10.0.0.1:1", { onOver: undefined })).toBeUndefined();
});

test("no more checks of one network are under way than may be found wrong: others wait for their turn, and are asked or refused by what those came to", async () => {
  const { gate } = gateOf({ failedChecksPerMinutePerPrefix: 3 });
  let running = 0;
  let most = 0;
  const wrong = new Set([7, 20, 21]);
  const outcomes = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      if ((await gate.check("10.0.0.1:1", { onOver: undefined })) !== undefined) return "refused";
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      gate.checked("10.0.0.1:1", wrong.has(i));
      return wrong.has(i) ? "wrong" : "right";
    }),
  );
  expect(most).toBe(3);
  expect(outcomes.filter((outcome) => outcome === "wrong")).toHaveLength(3);
  expect(outcomes.slice(0, 20).filter((outcome) => outcome === "right")).toHaveLength(19);
  expect(outcomes.slice(22)).toEqual(Array.from({ length: 38 }, () => "refused"));
});

test("no more checks of one network are under way than may be found wrong in a minute, however long they take", async () => {
  const { gate, clock } = gateOf({ failedChecksPerMinutePerPrefix: 3 });
  for (let n = 0; n < 3; n += 1) expect(await gate.check("10.0.0.1:1", { onOver: undefined })).toBeUndefined();
  clock.now += 600_000;
  let isIn = false;
  const fourth = gate.check("10.0.0.1:1", { onOver: undefined }).finally(() => (isIn = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isIn).toBe(false);
  gate.checked("10.0.0.1:1", false);
  expect(await fourth).toBeUndefined();
});

test("whoever is gone does not wait for a turn, and does not take one", async () => {
  const { gate } = gateOf({ failedChecksPerMinutePerPrefix: 1 });
  expect(await gate.check("10.0.0.1:1", { onOver: undefined })).toBeUndefined();
  const waiting: { onOver: (() => void) | undefined }[] = Array.from({ length: 3 }, () => ({ onOver: undefined }));
  const outcomes = waiting.map((who) => gate.check("10.0.0.1:1", who));
  waiting[0]?.onOver?.();
  expect(await outcomes[0]).toMatchObject({ reason: "failed-checks" });
  gate.checked("10.0.0.1:1", false);
  expect(await outcomes[1]).toBeUndefined();
  waiting[2]?.onOver?.();
  expect(await outcomes[2]).toMatchObject({ reason: "failed-checks" });
  gate.checked("10.0.0.1:1", false);
  expect(await gate.check("10.0.0.1:1", { onOver: undefined })).toBeUndefined();
});

test("many clients come through a proxy: it has the limits of all only", async () => {
  const { gate } = gateOf(
    {
      handshakeBurstPerPrefix: 1,
      handshakesPerSecondPerPrefix: 1,
      maxSessionsPerPrefix: 1,
      pathBurstPerPrefix: 1,
      handshakeBurst: 5,
      handshakesPerSecond: 1,
    },
    ["10.9.0.0/16", "::1"],
  );
  for (const remote of ["10.9.1.1:1", "[::1]:2", "[::ffff:10.9.1.1]:3", "10.9.1.1:4"]) {
    expect([gate.handshake(remote), gate.session(remote), gate.path(remote)], remote).toEqual([undefined, undefined, undefined]);
    gate.checkFailed(remote);
    expect(await gate.check(remote, { onOver: undefined })).toBeUndefined();
  }
  expect(gate.handshake("10.1.1.1:1")).toBeUndefined();
  expect(gate.handshake("10.9.1.1:5")).toMatchObject({ reason: "handshake-rate" });
});
