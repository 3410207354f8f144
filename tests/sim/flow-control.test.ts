import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const KiB = 1024;
const MiB = 1024 * KiB;

test("a reader that pauses stops its sender within the stream's window, and others go on", () => {
  const world = new World({ servers: [{ lines: [lineOf(200, 10)] }] }).start();
  const paused = world.open();
  const other = world.open();
  paused.pause("client");
  for (const stream of [paused, other]) {
    stream.write("server", 8 * MiB);
    stream.finish("server");
    stream.finish("client");
  }
  world.until(() => other.down?.isFinished === true, "the other stream is whole");
  world.advance(2_000);
  expect(world.client.endpoint.streams.bufferedBytes().receive).toBeLessThanOrEqual(256 * KiB);
  paused.resume("client");
  world.finish();
  expect(paused.down?.readOffset).toBe(8 * MiB);
});

test("many paused readers together stay within the session's window", () => {
  const world = new World({ servers: [{ lines: [lineOf(500, 10)] }] }).start();
  const streams = Array.from({ length: 50 }, () => world.open());
  for (const stream of streams) {
    stream.pause("client");
    stream.write("server", MiB);
    stream.finish("server");
    stream.finish("client");
  }
  world.advance(5_000);
  expect(world.client.endpoint.streams.bufferedBytes().receive).toBeLessThanOrEqual(MiB);
  for (const stream of streams) stream.resume("client");
  world.finish();
});

test("a server's memory is bounded too when its application does not read", () => {
  const world = new World({ servers: [{ lines: [lineOf(500, 10)] }] }).start();
  const streams = Array.from({ length: 20 }, () => world.open());
  for (const stream of streams) {
    stream.pause("server");
    stream.write("client", 2 * MiB);
    stream.finish("client");
    stream.finish("server");
  }
  world.advance(5_000);
  expect(world.server(0).endpoint?.streams.bufferedBytes().receive).toBeLessThanOrEqual(MiB);
  for (const stream of streams) stream.resume("server");
  world.finish();
});

test("streams beyond the limit wait until others have ended", () => {
  const world = new World({ servers: [{ lines: [lineOf(100, 10)] }], limits: { maxStreams: 100 } }).start();
  const { streams } = world.client.endpoint;
  const opened = [];
  for (let stream = streams.open(1, "bidirectional"); stream !== undefined; stream = streams.open(1, "bidirectional")) opened.push(stream);
  expect(opened.length).toBe(100);
  for (const stream of opened) {
    stream.write("client", 100);
    stream.finish("client");
    stream.finish("server");
  }
  world.until(() => world.openFlows().length === 0, "all are over");
  world.advance(100);
  const later = world.open();
  later.write("client", 100);
  later.finish("client");
  later.finish("server");
  world.finish();
});

test("a stream of higher priority overtakes those before it, and the lower ones do not starve", () => {
  const world = new World({ servers: [{ lines: [lineOf(40, 20)] }] }).start();
  const low = world.open("bidirectional", 1, 10);
  low.write("server", 6 * MiB);
  low.finish("server");
  low.finish("client");
  world.advance(300);
  const high = world.open("bidirectional", 1, 250);
  high.write("server", 2 * MiB);
  high.finish("server");
  high.finish("client");
  const before = low.down?.readOffset ?? 0;
  world.until(() => high.down?.isFinished === true, "the urgent one is whole");
  const meanwhile = (low.down?.readOffset ?? 0) - before;
  expect(meanwhile).toBeGreaterThan(0);
  expect(meanwhile).toBeLessThan(1.5 * MiB);
  world.finish();
});

test("reset and stop end their direction only, and everything is let go of", () => {
  const world = new World({ servers: [{ lines: [lineOf(40, 20)] }] }).start();
  const reset = world.open();
  const stopped = world.open();
  for (const stream of [reset, stopped]) {
    stream.write("server", 4 * MiB);
    stream.write("client", MiB);
    stream.finish("client");
  }
  world.advance(200);
  reset.reset("server", 7);
  stopped.stopReading("client", 8);
  world.finish();
  expect(reset.down?.outcome).toEqual({ kind: "reset", code: 7 });
  expect(reset.up?.isFinished).toBe(true);
  expect(stopped.down?.writeFailure).toBe(8);
  expect(stopped.up?.isFinished).toBe(true);
});

test("two ends with the smallest windows still understand each other", () => {
  const tiny = {
    initialStreamWindowBytes: 16 * KiB,
    maxStreamWindowBytes: 64 * KiB,
    initialSessionWindowBytes: 32 * KiB,
    maxSessionWindowBytes: 128 * KiB,
    maxStreams: 3,
  };
  const world = new World({ servers: [{ lines: [lineOf(40, 20)] }, { lines: [lineOf(40, 20)] }], limits: tiny }).startAll();
  for (const server of [0, 1]) {
    const stream = world.openFrom(server);
    stream.write("server", MiB);
    stream.write("client", MiB);
    stream.finish("server");
    stream.finish("client");
  }
  world.finish();
});
