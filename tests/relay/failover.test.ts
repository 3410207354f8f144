import type { ClientSession, SessionEvent } from "@kwik/core";
import { expect, test } from "vitest";
import { RelayBench, type TestHome, type TestRelay, transfer } from "./relay-bench.ts";

const LINE = { delayMs: 2, bytesPerSecond: 8_000_000 };
const BYTES = 8_000_000;

interface Routes {
  readonly home: TestHome;
  readonly relays: readonly TestRelay[];
  readonly client: ClientSession;
  readonly events: SessionEvent[];
}

/** A session with a direct path and two relayed ones, all in use. */
async function routes(bench: RelayBench): Promise<Routes> {
  const home = await bench.home();
  const relays = [await bench.relay([home], {}, LINE), await bench.relay([home], {}, LINE)];
  const client = await bench.dial(home, { relays: relays.map((relay) => relay.options) });
  const events: SessionEvent[] = [];
  void (async () => {
    for await (const event of client.events()) events.push(event);
  })();
  await expect.poll(() => activeRelays(client)).toEqual(["", "relay1:4433", "relay2:4433"]);
  return { home, relays, client, events };
}

/** The relays of the active paths, "" for the direct one. */
function activeRelays(client: ClientSession): string[] {
  const active = client.stats().paths.filter((path) => path.state === "active");
  return active.map((path) => path.relay ?? "").sort();
}

const LOSSES: readonly (readonly [string, (bench: RelayBench, routes: Routes) => unknown])[] = [
  ["the direct line is cut", (bench) => bench.line.connections.at(-1)?.kill()],
  ["the line to a relay is cut", (_bench, { relays }) => relays[0]?.network.connections.at(-1)?.kill()],
  ["the direct line falls silent", (bench) => bench.line.connections.at(-1)?.setShape("both", { isBlackhole: true })],
  ["the line to a relay falls silent", (_, { relays }) => relays[0]?.network.connections.at(-1)?.setShape("both", { isBlackhole: true })],
  ["what a relay sends is lost", (_, { relays }) => relays[0]?.network.connections.at(-1)?.setShape("to-client", { isBlackhole: true })],
  ["a relay shuts down", (_bench, { relays }) => relays[0]?.listener.close()],
  ["a relay breaks its links off", (_bench, { relays }) => relays[0]?.relay.drain(0)],
];

// spec: RELAY-7, RELAY-8, PATH-7
for (const direction of ["up", "down"] as const) {
  test.each(LOSSES)(`when %s in the middle of a stream that goes ${direction}, no byte is lost or doubled`, async (_name, lose) => {
    await using bench = new RelayBench(LINE);
    const all = await routes(bench);
    const server = await all.home.next();
    const [from, to] = direction === "up" ? [all.client, server] : [server, all.client];
    let isLost = false;
    await transfer(from, to, BYTES, (received) => {
      if (isLost || received < BYTES / 3) return;
      isLost = true;
      void lose(bench, all);
    });
    expect(isLost).toBe(true);
    expect(all.events.filter(({ type }) => type === "suspended")).toEqual([]);
    await expect.poll(() => all.client.stats().paths.filter((path) => path.state === "dead")).toHaveLength(1);
  });
}

// spec: RELAY-3, RELAY-8, PATH-10
test("a relayed path that was lost comes back as a new one of the same server", async () => {
  await using bench = new RelayBench();
  const { home, relays, client } = await routes(bench);
  const server = await home.next();
  relays[1]?.network.connections.at(-1)?.kill();
  await expect.poll(() => client.stats().paths.map((path) => path.state)).toContain("dead");
  await expect.poll(() => activeRelays(client)).toEqual(["", "relay1:4433", "relay2:4433"]);
  await expect.poll(() => relays[1]?.sessions).toHaveLength(2);
  expect(home.listener.stats().sessions).toBe(1);
  await transfer(client, server, 1_000_000);
});

test("a session that has only relayed paths left goes on over them, and returns to the direct one", async () => {
  await using bench = new RelayBench();
  const { home, client } = await routes(bench);
  const server = await home.next();
  const direct = bench.line.connections.at(-1);
  direct?.setShape("both", { isBlackhole: true });
  await expect.poll(() => activeRelays(client)).toEqual(["relay1:4433", "relay2:4433"]);
  await Promise.all([transfer(client, server, 2_000_000), transfer(server, client, 2_000_000)]);
  await expect.poll(() => activeRelays(client)).toEqual(["", "relay1:4433", "relay2:4433"]);
});
