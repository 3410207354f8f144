import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { Liveness, type Vitals } from "./liveness.ts";

interface Fixture {
  liveness: Liveness;
  vitals: { probeTimeoutMs: number; smoothedRttMs: number | undefined; oldestSentAt: number | undefined };
}

function fixture(): Fixture {
  const vitals = { probeTimeoutMs: 100, smoothedRttMs: 20, oldestSentAt: undefined as number | undefined } satisfies Vitals;
  return { liveness: new Liveness(DEFAULT_LIMITS, vitals, 0), vitals };
}

/** Sends a packet and leaves it unacknowledged; lets time pass on a punctual clock and answers what was asked for, with times. */
function actions({ liveness, vitals }: Fixture, until: number, hear?: { everyMs: number }): string[] {
  const log: string[] = [];
  let heardAt = 0;
  for (;;) {
    const next = liveness.nextTimeout();
    if (hear !== undefined) {
      while (heardAt + hear.everyMs < Math.min(next, until)) {
        heardAt += hear.everyMs;
        liveness.heard(heardAt);
      }
      if (liveness.nextTimeout() !== next) continue;
    }
    if (next > until) return log;
    const action = liveness.handleTimeout(next);
    if (action === undefined) throw new Error("a due timeout did nothing");
    log.push(`${action} ${Math.round(next)}`);
    if (action === "dead") return log;
    vitals.oldestSentAt ??= next;
    liveness.sent(next);
  }
}

// spec: PATH-5
test("an idle path is probed, suspected and given up when nothing answers", () => {
  const path = fixture();
  expect(actions(path, 10_000)).toEqual([
    "probe 1000",
    "suspect 1100",
    "probe 1200",
    "probe 1350",
    "probe 1575",
    "probe 1913",
    "probe 2419",
    "dead 2500",
  ]);
});

test("an idle path whose probes are answered lives for ever", () => {
  const { liveness, vitals } = fixture();
  for (let now = 0; now < 20_000; ) {
    now = liveness.nextTimeout();
    expect(liveness.handleTimeout(now)).toBe("probe");
    liveness.sent(now);
    vitals.oldestSentAt = now;
    now += 20;
    vitals.oldestSentAt = undefined;
    liveness.heard(now);
    expect(liveness.progress(now)).toBe(false);
  }
});

// spec: PATH-5
test("silence after sending makes the path suspect after one probe timeout", () => {
  const path = fixture();
  path.liveness.heard(500);
  path.liveness.sent(510);
  path.vitals.oldestSentAt = 510;
  expect(path.liveness.handleTimeout(609)).toBeUndefined();
  expect(path.liveness.handleTimeout(610)).toBe("suspect");
  expect(path.liveness.isSuspect).toBe(true);
});

// spec: PATH-5
test("an acknowledgement with progress ends the suspicion, hearing alone does not", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 0;
  path.liveness.handleTimeout(100);
  path.liveness.heard(120);
  expect(path.liveness.isSuspect).toBe(true);
  expect(path.liveness.progress(130)).toBe(true);
  expect(path.liveness.isSuspect).toBe(false);
});

// spec: PATH-5
test("a one-way black hole is suspected although the peer is heard, and given up in the end", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 0;
  const log = actions(path, 20_000, { everyMs: 10 });
  expect(log[0]).toBe("suspect 200");
  expect(log.at(-1)).toBe(`dead ${2 * DEFAULT_LIMITS.minDeadAfterMs}`);
});

// spec: PATH-5
// spec: PATH-5
test("being heard buys no time once the peer says that it hears nothing, until something is acknowledged", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 1_000;
  path.liveness.heard(1_090);
  expect(path.liveness.nextTimeout()).toBe(1_190);
  path.liveness.setDoubtedByPeer(true);
  expect(path.liveness.nextTimeout()).toBe(1_100);
  path.liveness.progress(1_095);
  path.liveness.heard(1_095);
  expect(path.liveness.nextTimeout()).toBe(1_195);
  path.liveness.setDoubtedByPeer(true);
  path.liveness.setDoubtedByPeer(false);
  path.liveness.heard(1_150);
  expect(path.liveness.nextTimeout()).toBe(1_250);
});

test("with a long round trip a peer that is heard has three of them", () => {
  const path = fixture();
  path.vitals.smoothedRttMs = 90;
  path.vitals.oldestSentAt = 0;
  const log = actions(path, 400, { everyMs: 10 });
  expect(log[0]).toBe("suspect 270");
});

// spec: PATH-5
test("whoever waits for bytes probes after two round trips of silence, without suspicion", () => {
  const path = fixture();
  path.liveness.heard(1_000);
  path.liveness.setExpecting(1_000, true);
  expect(path.liveness.handleTimeout(1_050)).toBe("probe");
  expect(path.liveness.isSuspect).toBe(false);
  path.liveness.sent(1_050);
  path.vitals.oldestSentAt = 1_050;
  expect(path.liveness.nextTimeout()).toBe(1_150);
  expect(path.liveness.handleTimeout(1_150)).toBe("suspect");
});

test("bytes that keep coming need no probe", () => {
  const path = fixture();
  path.liveness.setExpecting(0, true);
  for (let now = 0; now < 3_000; now += 30) {
    expect(path.liveness.handleTimeout(now)).toBeUndefined();
    path.liveness.heard(now);
  }
});

test("progress of any kind keeps a slow path from suspicion", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 0;
  for (let now = 0; now < 2_000; now += 90) {
    expect(path.liveness.handleTimeout(now)).toBeUndefined();
    path.liveness.heard(now);
    path.liveness.progress(now);
  }
});

// spec: PATH-5
test("a process that slept asks again before it gives a path up", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 0;
  expect(path.liveness.handleTimeout(60_000)).toBe("probe");
  expect(path.liveness.isSuspect).toBe(false);
  path.liveness.sent(60_000);
  expect(path.liveness.nextTimeout()).toBe(60_100);
  expect(path.liveness.handleTimeout(60_100)).toBe("suspect");
  expect(path.liveness.handleTimeout(90_000)).toBe("probe");
  expect(path.liveness.isSuspect).toBe(true);
  const log = actions(path, 100_000);
  expect(log.at(-1)).toBe("dead 91500");
});

test("a process that is always late still gives a dead path up", () => {
  const path = fixture();
  path.vitals.oldestSentAt = 0;
  let now = 0;
  let action: string | undefined;
  for (let i = 0; i < 50 && action !== "dead"; i += 1) {
    now = path.liveness.nextTimeout() + 400;
    action = path.liveness.handleTimeout(now);
  }
  expect(action).toBe("dead");
});
