import type { TunnelEnd } from "@kwik/splice";
import { expect, test } from "vitest";
import { MeteredEnd } from "./metered-end.ts";
import { RelayMeter } from "./relay-meter.ts";

/** A tunnel that writes down what is done to it. */
function recorded(): { done: string[]; end: TunnelEnd } {
  const done: string[] = [];
  const note = (what: string): Promise<void> => {
    done.push(what);
    return Promise.resolve();
  };
  const end: TunnelEnd = {
    read: () => Promise.resolve(null),
    write: (data) => note(`write ${data.join(",")}`),
    close: () => note("close"),
    flushed: () => note("flushed"),
    reset: () => undefined,
    stopReading: () => undefined,
    abort: () => undefined,
  };
  return { done, end };
}

test("what is written at once leaves in its order and before the end, however long each piece waits for its turn", async () => {
  const { done, end } = recorded();
  const meter = new RelayMeter();
  const turns: (() => void)[] = [];
  const metered = new MeteredEnd(end, meter.open("ann"), (bytes) => {
    done.push(`turn ${bytes}`);
    return new Promise((resolve) => turns.push(resolve));
  });
  const written = [metered.write(Uint8Array.of(1, 1)), metered.write(Uint8Array.of(2))];
  const closed = [metered.flushed(), metered.close()];
  await expect.poll(() => turns).toHaveLength(1);
  expect(done).toEqual(["turn 2"]);
  expect(meter.total.receivedBytes).toBe(0);
  turns[0]?.();
  await expect.poll(() => turns).toHaveLength(2);
  expect(meter.total.receivedBytes).toBe(2);
  turns[1]?.();
  await Promise.all([...written, ...closed]);
  expect(done).toEqual(["turn 2", "write 1,1", "turn 1", "write 2", "flushed", "close"]);
  expect(meter.total.receivedBytes).toBe(3);
});

test("a write that is refused says so, and the next one is tried all the same", async () => {
  const { done, end } = recorded();
  let isRefused = true;
  const refusing: TunnelEnd = { ...end, write: (data) => (isRefused ? Promise.reject(new Error("stopped")) : end.write(data)) };
  const metered = new MeteredEnd(refusing, new RelayMeter().open("ann"), () => Promise.resolve());
  await expect(metered.write(Uint8Array.of(1))).rejects.toThrow("stopped");
  isRefused = false;
  await metered.write(Uint8Array.of(2));
  expect(done).toEqual(["write 2"]);
});
