import { createServer } from "node:net";
import { expect, test } from "vitest";
import { TargetChecks, TargetHealth } from "./target-health.ts";

test("failures in a row end with a success, and only the targets used last are kept", () => {
  const health = new TargetHealth();
  health.failed("a");
  health.failed("a");
  health.connected("a", 10);
  health.connected("a", 20);
  health.failed("a");
  expect(health.all()).toEqual([{ target: "a", connected: 2, failed: 3, failedInARow: 1, connectMs: 12, isUp: undefined }]);
  for (let i = 0; i < 1_000; i += 1) health.failed(`other ${i}`);
  expect(health.all()).toHaveLength(1_000);
  expect(health.all().some((one) => one.target === "a")).toBe(false);
});

test("a check says when a target goes down and when it is back", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const changes: boolean[] = [];
  let changed = Promise.withResolvers<boolean>();
  using _checks = new TargetChecks(
    [{ name: "t", destination: () => Promise.resolve({ ips: ["127.0.0.1"], port }) }],
    30,
    1_000,
    new TargetHealth(),
    (_target, isUp) => {
      changes.push(isUp);
      changed.resolve(isUp);
    },
  );
  expect(await changed.promise).toBe(true);
  changed = Promise.withResolvers();
  await new Promise((resolve) => server.close(resolve));
  expect(await changed.promise).toBe(false);
  changed = Promise.withResolvers();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  expect(await changed.promise).toBe(true);
  server.close();
  expect(changes).toEqual([true, false, true]);
});
