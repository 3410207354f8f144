import { expect, test } from "vitest";
import type { SessionPath } from "@kwik/proto";
import { KwikError, LimitError } from "../api/errors.ts";
import { parseAddress } from "../transport/address.ts";
import { type RedialledServer, Redials } from "./redials.ts";

/** A client whose dials all fail, on a clock of its own. */
class Client {
  readonly redials: Redials;
  /** When which server was dialled. */
  readonly dials: { readonly address: string; readonly at: number }[] = [];
  /** What becomes of the next dials. */
  failure = new KwikError("UNREACHABLE", "nobody is there");
  #now = 0;
  #sleepers: { readonly until: number; readonly resolve: () => void }[] = [];

  constructor() {
    this.redials = new Redials({
      now: () => this.#now,
      isStopped: () => false,
      hasRoom: () => true,
      full: () => new KwikError("LIMIT_REACHED", "as many paths as it may have"),
      hasPathTo: () => false,
      sleep: (ms) => new Promise((resolve) => this.#sleepers.push({ until: this.#now + ms, resolve })),
      connect: ({ key }: RedialledServer) => {
        this.dials.push({ address: key, at: this.#now });
        return Promise.reject(this.failure);
      },
      onFailed: () => undefined,
    });
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      // Whatever became possible happens before the clock goes on.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      const next = Math.min(...this.#sleepers.map(({ until }) => until));
      if (next > end) break;
      this.#now = next;
      const due = this.#sleepers.filter(({ until }) => until <= next);
      this.#sleepers = this.#sleepers.filter(({ until }) => until > next);
      for (const { resolve } of due) resolve();
    }
    this.#now = end;
  }

  /** A path to the server was in use, and died. */
  lose(address: string): void {
    const fields: Pick<SessionPath, "address" | "identity" | "priority"> = { address, identity: undefined, priority: 128 };
    const path = fields as SessionPath;
    this.redials.pathActive(path);
    this.redials.pathDied(path);
  }

  pausesOf(address: string): number[] {
    const times = this.dials.filter((dial) => dial.address === address).map(({ at }) => at);
    return times.slice(1).map((at, index) => at - (times[index] ?? 0));
  }
}

function expectPauses(pauses: readonly number[], nominal: readonly number[]): void {
  expect(pauses.length).toBeGreaterThanOrEqual(nominal.length);
  for (const [index, ms] of nominal.entries()) {
    expect(pauses[index]).toBeGreaterThanOrEqual(ms * 0.75);
    expect(pauses[index]).toBeLessThanOrEqual(ms * 1.25);
  }
}

// spec: RESUME-4
test("a server of the user's that does not answer is dialled at once, up to every four seconds, and in the end once a minute", async () => {
  const client = new Client();
  client.redials.own(parseAddress("a.example:1"));
  client.lose("a.example:1");
  await client.pass(3_600_000);
  const soon = [100, 200, 400, 800, 1_600, 3_200, ...Array<number>(9).fill(4_000)];
  expectPauses(client.pausesOf("a.example:1"), [...soon, 8_000, 16_000, 32_000, ...Array<number>(30).fill(60_000)]);
});

// spec: RESUME-4
test("a server that only others named, and was in use, is given up after thirty tries; one that never was, after ten", async () => {
  const client = new Client();
  client.lose("a.example:1");
  client.redials.dial(parseAddress("b.example:1"));
  await client.pass(7_200_000);
  expect(client.pausesOf("a.example:1")).toHaveLength(29);
  expect(client.pausesOf("b.example:1")).toHaveLength(9);
});

// spec: RESUME-4
test("a client that is suspended dials those at once that it has not tried for long, and nobody more often than before", async () => {
  const client = new Client();
  for (const address of ["a.example:1", "b.example:1"]) client.redials.own(parseAddress(address));
  client.lose("b.example:1");
  // Somewhere in one of the long pauses.
  await client.pass(600_000);
  const tried = client.dials.at(-1)?.at ?? 0;
  await client.pass(Math.max(0, tried + 10_000 - 600_000));
  client.lose("a.example:1");
  await client.pass(0);
  const before = client.dials.length;
  client.redials.suspended();
  await client.pass(0);
  const now = client.dials.slice(before);
  expect(now.map(({ address }) => address)).toEqual(["b.example:1"]);
  for (let count = 0; count < 100; count += 1) client.redials.suspended();
  await client.pass(0);
  expect(client.dials.length).toBe(before + 1);
});

// spec: RESUME-4
test("clients that lose a server at the same moment do not dial it again at the same moments", async () => {
  const firstPauses = new Set<number>();
  for (let count = 0; count < 50; count += 1) {
    const client = new Client();
    client.redials.own(parseAddress("a.example:1"));
    client.lose("a.example:1");
    await client.pass(1_000);
    expectPauses(client.pausesOf("a.example:1"), [100]);
    firstPauses.add(client.pausesOf("a.example:1")[0] ?? 0);
  }
  expect(firstPauses.size).toBeGreaterThan(40);
  // Over the whole of half a pause, not around one point.
  expect(Math.max(...firstPauses) - Math.min(...firstPauses)).toBeGreaterThan(25);
});

// spec: RESUME-4
test("a relay that has no room now is asked again, not before it said; where the session itself has none, nobody is", async () => {
  const client = new Client();
  client.redials.own(parseAddress("a.example:1"));
  client.failure = new KwikError("LIMIT_REACHED", "the relay carries as many links as it may", { remote: true });
  client.lose("a.example:1");
  await client.pass(2_000);
  expectPauses(client.pausesOf("a.example:1"), [100, 200, 400]);
  client.failure = new LimitError("no more now", 30_000, { remote: true });
  await client.pass(10_000);
  const before = client.dials.length;
  await client.pass(15_000);
  expect(client.dials.length).toBe(before);
  client.failure = new KwikError("LIMIT_REACHED", "as many paths as it may have");
  await client.pass(60_000);
  expect(client.dials.length).toBe(before + 1);
});
