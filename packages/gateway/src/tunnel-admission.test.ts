import { expect, test } from "vitest";
import { TunnelAdmission } from "./tunnel-admission.ts";

/** Tunnels that end when the test says so, or when they are stopped. */
class Held {
  readonly admission = new TunnelAdmission({ maxTotal: 3, maxPerClient: 2, what: "links", draining: "the relay is shutting down" });
  readonly refused: string[] = [];
  readonly ends: ((error?: Error) => void)[] = [];
  stopped = 0;

  run(client: string): Promise<void> {
    return this.admission.run(
      client,
      (refusal, reason) => this.refused.push(`${refusal}: ${reason}`),
      (taken) =>
        new Promise((resolve, reject) => {
          const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
          this.ends.push(end);
          taken.stop = () => {
            this.stopped += 1;
            end();
          };
        }),
    );
  }
}

test("places are of each client and of all, and come back however a tunnel ends", async () => {
  const held = new Held();
  const [first, , third] = [held.run("ann"), held.run("ann"), held.run("bob")];
  await held.run("ann");
  await held.run("eve");
  expect(held.refused).toEqual([
    "limit: you have 2 links open, and that is the limit",
    "limit: the gateway has as many links open as it may",
  ]);
  held.ends[0]?.(new Error("broken"));
  await expect(first).rejects.toThrow("broken");
  held.ends[2]?.();
  await third;
  expect(held.admission.total).toBe(1);
  void held.run("ann");
  void held.run("eve");
  expect([held.admission.total, held.refused.length]).toEqual([3, 2]);
});

test("one that drains takes none, waits for those that are there, and stops what is left in the end", async () => {
  const held = new Held();
  const running = held.run("ann");
  const drained = held.admission.drain(600_000);
  await held.run("bob");
  expect(held.refused).toEqual(["draining: the relay is shutting down"]);
  held.ends[0]?.();
  await Promise.all([running, drained]);
  expect(held.stopped).toBe(0);
  const other = new Held();
  const left = [other.run("ann"), other.run("bob")];
  await other.admission.drain(0);
  await Promise.all(left);
  expect([other.stopped, other.admission.total]).toEqual([2, 0]);
});
