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
