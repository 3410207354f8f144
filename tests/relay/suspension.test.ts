import { expect, test } from "vitest";
import { RelayBench, transfer } from "./relay-bench.ts";

const LINE = { delayMs: 2, bytesPerSecond: 8_000_000 };
const BYTES = 4_000_000;

// What of the ways comes back after an outage of all of them.
const RETURNS = [
  ["every way", true, true],
  ["only the direct one", true, false],
  ["only the one through the relay", false, true],
] as const;

// spec: RELAY-8, RESUME-1, RESUME-4
for (const direction of ["up", "down"] as const) {
  test.each(RETURNS)(
    `a session without any way is suspended; %s comes back, and the stream that goes ${direction} goes on`,
    async (...row) => {
      const [, isDirectBack, isRelayBack] = row;
      await using bench = new RelayBench(LINE);
      const home = await bench.home();
      const relay = await bench.relay([home], {}, LINE);
      const client = await bench.dial(home, { relays: [relay.options] });
      const server = await home.next();
      await expect.poll(() => client.stats().paths.map((path) => path.state)).toEqual(["active", "active"]);
      const [from, to] = direction === "up" ? [client, server] : [server, client];
      let isCut = false;
      const done = transfer(from, to, BYTES, (received) => {
        if (isCut || received < BYTES / 3) return;
        isCut = true;
        bench.line.unplug(home.address);
        relay.network.unplug("relay1:4433");
      });
      await expect.poll(() => client.stats().isSuspended).toBe(true);
      if (isDirectBack) bench.line.plug(home.address);
      if (isRelayBack) relay.network.plug("relay1:4433");
      await done;
      const active = client.stats().paths.filter((path) => path.state === "active");
      expect(active.length).toBeGreaterThan(0);
      if (!isDirectBack) expect(active.map((path) => path.relay)).toEqual(["relay1:4433"]);
      if (!isRelayBack) expect(active.map((path) => path.relay)).toEqual([undefined]);
      expect(home.listener.stats().sessions).toBe(1);
    },
  );
}
