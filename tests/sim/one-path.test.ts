import { lineOf, World } from "@kwik/testkit";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;

test("a bulk transfer each way over one path arrives whole", () => {
  const world = new World({ servers: [{ lines: [lineOf(100, 20)] }] }).start();
  const stream = world.open();
  stream.write("client", 4 * MiB);
  stream.finish("client");
  stream.write("server", 6 * MiB);
  stream.finish("server");
  world.finish();
  expect(stream.up?.readOffset).toBe(4 * MiB);
  expect(stream.down?.readOffset).toBe(6 * MiB);
});

// spec: CARRIER-6
test("load that comes and goes over a rough line opens carriers and gives them back, and nothing is lost", () => {
  const rough = { jitterMs: 40, lossRate: 0.05, isRagged: true, chunkBytes: 3000 };
  const given = [1, 2, 3, 4].map((seed) => {
    const world = new World({
      seed,
      servers: [{ lines: [lineOf(20, 60, rough)] }],
      limits: { streamsPerCarrier: 1 },
      expected: ["path-degraded", "path-recovered"],
    }).start();
    const [client, server] = world.endpoints().map((endpoint) => endpoint.session.state.wires.get(0)?.pool);
    const busy = world.open();
    let most = 0;
    // Waves of streams as far apart as it takes to give carriers back, so that each begins in the middle of it.
    for (let wave = 0; wave < 6; wave += 1) {
      for (let index = 0; index < 12; index += 1) {
        const stream = world.open();
        for (const side of ["client", "server"] as const) {
          stream.write(side, 1 + index * 5003);
          stream.finish(side);
        }
      }
      for (let ms = 0; ms < 6_000 + wave * 90; ms += 5) {
        busy.write("client", 2_000);
        busy.write("server", 3_000);
        world.advance(5);
        most = Math.max(most, client?.leavingCount ?? 0, server?.leavingCount ?? 0);
      }
    }
    busy.finish("client");
    busy.finish("server");
    world.finish();
    return most;
  });
  expect(Math.min(...given)).toBeGreaterThan(5);
});
