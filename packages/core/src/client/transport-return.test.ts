import type { SessionPath } from "@kwik/proto";
import { beforeEach, expect, test } from "vitest";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";
import type { FallbackDialer } from "./transport-fallback.ts";
import { TransportReturn } from "./transport-return.ts";

/** A path of which only what a return looks at is real. */
interface PlayedPath {
  readonly id: number;
  readonly address: string;
  readonly transport: string;
  state: SessionPath["state"];
  isFinal: boolean;
}

/** Runs what waits, in the order of its time. */
class PlayedTime {
  now = 0;
  readonly #waiting: { readonly at: number; resolve(): void }[] = [];

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ at: this.now + ms, resolve }));
  }

  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#waiting.sort((a, b) => a.at - b.at);
      const [next] = this.#waiting;
      if (next === undefined || next.at > until) break;
      this.now = next.at;
      this.#waiting.shift();
      next.resolve();
    }
    this.now = until;
  }
}

const real = (one: PlayedPath): SessionPath => one as unknown as SessionPath;

let time: PlayedTime;
let paths: PlayedPath[];
let hasRoom: boolean;
let isStopped: boolean;
let isReachable: boolean;
let stateOnJoining: SessionPath["state"];
let told: string[];
let back: TransportReturn;

function path(transport: string, state: SessionPath["state"] = "active"): PlayedPath {
  const one = { id: paths.length, address: "h:1", transport, state, isFinal: false };
  paths.push(one);
  return one;
}

function die(one: PlayedPath | undefined): void {
  if (one === undefined) throw new Error("no such path");
  one.state = "dead";
  one.isFinal = true;
  back.pathDied(real(one));
}

/** A session that had QUIC and lives on TCP. */
function onFallback(): void {
  const first = path("quic");
  back.pathActive(real(first));
  back.pathActive(real(path("tcp")));
  die(first);
}

beforeEach(() => {
  time = new PlayedTime();
  paths = [];
  hasRoom = true;
  isStopped = false;
  isReachable = true;
  stateOnJoining = "active";
  told = [];
  const dialer: FallbackDialer = {
    now: () => time.now,
    isStopped: () => isStopped,
    pathsTo: () => paths.filter((one) => !one.isFinal).map(real),
    hasRoom: () => hasRoom,
    sleep: (ms) => time.sleep(ms),
    dial: (_address, _identity, limit) => {
      told.push(`dial ${limit.only} at ${time.now}`);
      return isReachable ? Promise.resolve({} as Link) : Promise.reject(new Error("nobody there"));
    },
    takeIn: () => {
      const one = path("quic", stateOnJoining);
      if (stateOnJoining === "active") back.pathActive(real(one));
      return Promise.resolve(real(one));
    },
    remove: (one, graceMs) => {
      told.push(`removed ${one.transport} with ${graceMs} ms at ${time.now}`);
      Object.assign(one, { state: "closed", isFinal: true });
    },
  };
  const order = ["quic", "tcp"];
  const prefers = (name: string, over: string): boolean => order.indexOf(name) < order.indexOf(over);
  back = new TransportReturn({ prefers } as unknown as Transport, dialer);
});

test("the transport that died is tried again after 2 s, and after 2 s of soundness the fallback is drained", async () => {
  onFallback();
  await time.pass(60_000);
  expect(told).toEqual(["dial quic at 2000", "removed tcp with 1000 ms at 4000"]);
});

test("while nobody answers, the waits double up to two minutes", async () => {
  isReachable = false;
  onFallback();
  await time.pass(500_000);
  expect(told).toEqual([2, 6, 14, 30, 62, 126, 246, 366, 486].map((second) => `dial quic at ${second}000`));
});

test("one that comes back but is not sound within 10 s goes again, and the fallback stays", async () => {
  stateOnJoining = "degraded";
  onFallback();
  await time.pass(12_100);
  expect(told).toEqual(["dial quic at 2000", "removed quic with 0 ms at 12000"]);
  stateOnJoining = "active";
  await time.pass(60_000);
  expect(told.slice(2)).toEqual(["dial quic at 16000", "removed tcp with 1000 ms at 18000"]);
});

test("one that falls silent on trial has to be sound for 2 s anew; one that dies there is tried again later", async () => {
  onFallback();
  await time.pass(3_000);
  const [, , trial] = paths;
  if (trial === undefined) throw new Error("there is no path on trial");
  trial.state = "degraded";
  await time.pass(500);
  trial.state = "active";
  await time.pass(1_900);
  expect(told).toHaveLength(1);
  die(trial);
  await time.pass(60_000);
  expect(told.slice(1)).toEqual(["dial quic at 9500", "removed tcp with 1000 ms at 11500"]);
});

test("a return that did not hold for a minute keeps the long wait; one that did begins anew", async () => {
  onFallback();
  await time.pass(4_000);
  const fail = (): void => {
    back.pathActive(real(path("tcp")));
    die(paths.find((one) => one.transport === "quic" && !one.isFinal));
  };
  fail();
  await time.pass(4_000);
  expect(told.at(-1)).toBe("dial quic at 8000");
  await time.pass(62_000);
  fail();
  await time.pass(2_000);
  expect(told.at(-1)).toBe("dial quic at 72000");
});

test("nothing is tried for a session that began on its transport, has no path left, or ended; without room it waits", async () => {
  back.pathActive(real(path("tcp")));
  back.pathActive(real(path("tcp")));
  die(paths[0]);
  await time.pass(60_000);
  expect(told).toEqual([]);
  onFallback();
  hasRoom = false;
  await time.pass(2_000);
  hasRoom = true;
  await time.pass(1_000);
  expect(told).toEqual([]);
  isStopped = true;
  await time.pass(60_000);
  expect(told).toEqual([]);
});
