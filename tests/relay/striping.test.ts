import type { PathInfo } from "@kwik/core";
import { expect, test } from "vitest";
import { RelayBench, transfer } from "./relay-bench.ts";

/** Lines slow enough that each has to do its part. */
const LINE = { delayMs: 5, bytesPerSecond: 4_000_000 };
const BYTES = 6_000_000;

// spec: RELAY-1, RELAY-2, RELAY-3, RELAY-11
test("a stream in either direction is striped over the direct path and two relayed ones", async () => {
  await using bench = new RelayBench(LINE);
  const home = await bench.home();
  const relays = [await bench.relay([home], {}, LINE), await bench.relay([home], {}, LINE)];
  const client = await bench.dial(home, { relays: relays.map((relay) => relay.options) });
  const server = await home.next();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active", "active"]);
  const row = { address: home.address, identity: home.identity, state: "active" };
  // Which relay is quicker is chance.
  const byRelay = (paths: readonly PathInfo[]): PathInfo[] => [...paths].sort((a, b) => (a.relay ?? "").localeCompare(b.relay ?? ""));
  expect(byRelay(client.stats().paths)).toMatchObject([
    { ...row, transport: "memory", relay: undefined },
    { ...row, transport: "relay", relay: "relay1:4433", transportChoice: "only" },
    { ...row, transport: "relay", relay: "relay2:4433", transportChoice: "only" },
  ]);
  expect(byRelay(server.activePaths())).toMatchObject([
    { address: home.address, relay: undefined, transport: "memory" },
    { address: home.address, relay: "relay1:4433", transport: "tcp" },
    { address: home.address, relay: "relay2:4433", transport: "tcp" },
  ]);
  expect(home.listener.stats().sessions).toBe(1);
  const before = client.stats().paths;
  await transfer(client, server, BYTES);
  const between = client.stats().paths;
  await transfer(server, client, BYTES);
  const after = client.stats().paths;
  const up = between.map((path, index) => path.bytesSent - (before[index]?.bytesSent ?? 0));
  const down = after.map((path, index) => path.bytesReceived - (between[index]?.bytesReceived ?? 0));
  // Lines that are alike: a third each. What is asked is that none is idle.
  for (const shares of [up, down]) expect(Math.min(...shares), `shares ${shares.join(", ")}`).toBeGreaterThan(BYTES / 5);
});
