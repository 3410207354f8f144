import type { Session } from "@kwik/proto";
import { expect, test } from "vitest";
import { PlayedRuntime } from "./played-runtime.fixture.ts";
import { type Gatherer, SessionDriver, type SessionObserver } from "./session-driver.ts";

/** What comes after all input comes when it is told to. */
class HeldRuntime extends PlayedRuntime {
  readonly #held: (() => void)[] = [];

  override afterInput(callback: () => void): void {
    this.#held.push(callback);
  }

  takeInput(): void {
    for (const callback of this.#held.splice(0)) callback();
  }
}

/** A session that has nothing to do, and says how often it was asked. */
function idleSession(): { session: Session; turns: () => number } {
  let turns = 0;
  const nothing = (): undefined => undefined;
  const session = {
    pollTransmit: () => {
      turns += 1;
      return undefined;
    },
    pollTimeout: nothing,
    pollEvent: nothing,
    pollIncomingStream: nothing,
    pollChangedStream: nothing,
  };
  return { session: session as unknown as Session, turns: () => turns };
}

test("one stream that is written has its turn at once, several have one together when all input has been taken", async () => {
  const runtime = new HeldRuntime();
  const { session, turns } = idleSession();
  const driver = new SessionDriver(session, runtime, {} as SessionObserver);
  const flushed: string[] = [];
  const [a, b, c] = ["a", "b", "c"].map((name): Gatherer => ({ flush: () => flushed.push(name) })) as [Gatherer, Gatherer, Gatherer];
  driver.gather(a);
  runtime.takeInput();
  expect([flushed.splice(0), turns()]).toEqual([["a"], 1]);
  driver.gather(a);
  await Promise.resolve();
  expect([flushed.splice(0), turns()]).toEqual([["a"], 2]);
  driver.gather(b);
  await Promise.resolve();
  driver.gather(c);
  await Promise.resolve();
  expect(flushed).toEqual([]);
  runtime.takeInput();
  expect([flushed.splice(0).sort(), turns()]).toEqual([["b", "c"], 3]);
  driver.gather(c);
  await Promise.resolve();
  expect([flushed, turns()]).toEqual([["c"], 4]);
});
