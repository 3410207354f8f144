import { ErrorCode } from "@kwik/proto";
import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;

function twoServers(): World {
  return new World({ servers: [{ lines: [lineOf(50, 20)] }, { lines: [lineOf(50, 30)] }] }).startAll();
}

test("the client closes in mid-transfer, and every member hears it once", () => {
  const world = twoServers();
  const stream = world.open();
  stream.write("server", 8 * MiB);
  world.openFrom(1).write("server", 8 * MiB);
  world.advance(300);
  world.client.session.close(world.now, 4_711, "enough", true);
  world.client.endpoint.wake();
  world.judgeEnd();
  for (const server of world.servers)
    expect(server.endpoint?.ended).toMatchObject({ code: 4_711, reason: "enough", remote: true, application: true });
  expect(stream.down?.outcome?.kind).toBe("session-ended");
});

test("the primary closes, and the client tells the others", () => {
  const world = twoServers();
  world.open().write("client", 2 * MiB);
  world.advance(200);
  world.server(0).endpoint?.session.close(world.now, 0, "", false);
  world.server(0).endpoint?.wake();
  world.judgeEnd();
  expect(world.client.endpoint.ended).toMatchObject({ code: 0, remote: true });
  expect(world.server(1).endpoint?.ended).toMatchObject({ code: 0, remote: true });
});

test("both sides close at once", () => {
  const world = twoServers();
  world.open().write("client", 2 * MiB);
  world.advance(200);
  world.client.session.close(world.now, 0, "", false);
  world.server(0).endpoint?.session.close(world.now, 0, "", false);
  world.client.endpoint.wake();
  world.server(0).endpoint?.wake();
  world.judgeEnd();
});

test("a server that is going away is announced, and its streams may end", () => {
  const world = twoServers();
  const stream = world.open("bidirectional", 2);
  stream.write("server", 2 * MiB);
  stream.finish("server");
  stream.finish("client");
  world.server(1).endpoint?.session.goAway(world.now, "maintenance", 5_000);
  world.server(1).endpoint?.wake();
  world.until(() => world.client.goingAway.includes(2), "the announcement");
  world.finish();
  expect(stream.down?.isFinished).toBe(true);
});

test("closing while the only line is a black hole ends each side in its own time", () => {
  const world = new World({
    servers: [{ lines: [lineOf(50, 20)] }],
    limits: { graceMs: 3_000 },
    expected: ["path-degraded", "path-dead", "suspended", "stream-failed"],
  }).start();
  world.line(0).blackhole("both");
  world.client.session.close(world.now, 0, "", false);
  world.client.endpoint.wake();
  world.judgeEnd();
  expect(world.server(0).endpoint?.ended?.code).toBe(ErrorCode.NO_PATHS);
});
