import { dialWith, isKwikError, systemRuntime } from "@kwik/core";
import { memoryNetwork } from "@kwik/testkit";
import { expect, test } from "vitest";
import { cluster } from "../compliance/tls-material.ts";
import { RelayBench, type TestHome, transfer } from "./relay-bench.ts";

const states = (client: { stats(): { paths: readonly { state: string }[] } }): string[] => client.stats().paths.map((path) => path.state);

/** The same home under a name that leads nowhere from here. */
const unreachable = (home: TestHome): TestHome => ({ ...home, address: home.address.replace("127.0.0.1", "home.example") });

// spec: RELAY-3
test("a session begins over a relay where the home cannot be reached directly", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const far = unreachable(home);
  const relay = await bench.relay([far, home], { resolve: () => Promise.resolve(["127.0.0.1"]) });
  const client = await bench.dial(far, { relays: [relay.options] });
  const server = await home.next();
  expect(client.stats().paths).toMatchObject([
    { id: 0, primary: true, address: far.address, relay: "relay1:4433", transport: "relay", identity: home.identity, state: "active" },
  ]);
  expect(server.activePaths()).toMatchObject([{ id: 0, primary: true, address: far.address, relay: "relay1:4433" }]);
  await Promise.all([transfer(client, server, 500_000), transfer(server, client, 500_000)]);
});

// spec: RELAY-3
test("where servers are believed by name, a relayed path is one of the same server", async () => {
  const { ca, servers } = await cluster(["localhost"]);
  // As over QUIC, which proves a name and shows no key.
  await using bench = new RelayBench({}, () => undefined);
  const home = await bench.home({}, servers[0], "localhost");
  const relay = await bench.relay([home]);
  const client = await bench.dial(home, { trust: { ca }, relays: [relay.options] });
  const server = await home.next();
  await expect.poll(() => states(client)).toEqual(["active", "active"]);
  expect(client.stats().paths).toMatchObject([
    { address: home.address, identity: undefined },
    { address: home.address, relay: "relay1:4433", identity: undefined },
  ]);
  expect(server.activePaths()).toHaveLength(2);
  await Promise.all([transfer(client, server, 500_000), transfer(server, client, 500_000)]);
});

test("each server that the client names has its relayed paths, and all share one session with the relay", async () => {
  await using bench = new RelayBench();
  const homes = [await bench.home(), await bench.home()] as const;
  const relay = await bench.relay(homes);
  const client = await bench.dial(homes[0], {
    trust: { pins: homes.map((home) => home.identity) },
    servers: [`kwik://${homes[1].address}`],
    relays: [relay.options],
  });
  await expect.poll(() => states(client)).toEqual(["active", "active", "active", "active"]);
  const ways = client.stats().paths.map((path) => `${path.address} ${path.relay ?? "directly"}`);
  expect(ways.sort()).toEqual(homes.flatMap(({ address }) => [`${address} directly`, `${address} relay1:4433`]).sort());
  expect(homes.map((home) => home.listener.stats().sessions)).toEqual([1, 1]);
  expect(relay.sessions).toHaveLength(1);
  expect(relay.relay.stats().links).toBe(2);
  // With the last link the session with the relay is over.
  await client.close();
  await expect.poll(() => relay.listener.stats().sessions).toBe(0);
  expect(relay.relay.stats().links).toBe(0);
});

// spec: RELAY-10
test("a relay that refuses is told of once, and the session goes on without it", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const relays = [await bench.relay([]), await bench.relay([home], { limits: { maxLinks: 1 } })];
  const first = await bench.dial(home, { relays: [relays[1]?.options ?? ""] });
  await home.next();
  await expect.poll(() => states(first)).toEqual(["active", "active"]);
  const client = await bench.dial(home, { relays: relays.map((relay) => relay.options) });
  const server = await home.next();
  const failures: string[] = [];
  void (async () => {
    for await (const event of client.events()) if (event.type === "path-failed") failures.push(`${event.address}: ${event.code}`);
  })();
  await expect
    .poll(() => failures.sort())
    .toEqual([`${home.address} via relay1:4433: ADDRESS_REFUSED`, `${home.address} via relay2:4433: UNREACHABLE`]);
  await transfer(client, server, 500_000);
  // What was full may have room later, and is asked again; what is not on the list is not.
  await first.close();
  await expect.poll(() => states(client)).toEqual(["active", "active"]);
  expect(client.stats().paths[1]?.relay).toBe("relay2:4433");
  expect(relays[0]?.relay.stats().refusedTotal).toEqual({ "not-allowed": 1 });
  expect(failures).toHaveLength(2);
});

test("credentials of a relay are its own, and wrong ones cost its path only", async () => {
  await using bench = new RelayBench();
  const home = await bench.home({ authenticate: ({ token }) => (token === undefined ? { ok: true } : { ok: false }) });
  const authenticate = ({ token }: { token: string | undefined }) => (token === "s3cret" ? { ok: true as const } : { ok: false as const });
  const relay = await bench.relay([home], {}, {}, { authenticate });
  const wrong = await bench.dial(home, { relays: [{ ...relay.options, credentials: { token: "guess" } }] });
  await home.next();
  for await (const event of wrong.events()) {
    if (event.type !== "path-failed") continue;
    expect(event).toMatchObject({ code: "AUTH_REFUSED", address: `${home.address} via relay1:4433` });
    break;
  }
  const right = await bench.dial(home, { relays: [{ ...relay.options, credentials: { token: "s3cret" } }] });
  await expect.poll(() => states(right)).toEqual(["active", "active"]);
  expect(states(wrong)).toEqual(["active"]);
});

// spec: RELAY-11
test("a server cannot ask its client for a relayed path", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const relay = await bench.relay([home]);
  const client = await bench.dial(home, { relays: [relay.options] });
  const server = await home.next();
  await expect.poll(() => states(client)).toEqual(["active", "active"]);
  // What it would have to write is no address; a client that is asked all the same refuses (address-policy.test.ts).
  await expect(server.addPath(`${home.address} via relay1:4433`)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

// spec: RELAY-5
test("relays that make no sense, or that a transport does not have, are refused before anything is sent", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const refusal = async (relay: unknown): Promise<string> => {
    try {
      await bench.dial(home, { relays: [relay as string] });
      return "accepted";
    } catch (error) {
      return isKwikError(error) ? `${error.code}: ${error.message}` : String(error);
    }
  };
  expect(await refusal("not an address")).toMatch(/^INVALID_ARGUMENT: "not an address" is not a server address/);
  expect(await refusal("kwik://a:1#sha256:12")).toMatch(/^INVALID_ARGUMENT: .*not an identity/);
  expect(await refusal({ address: "a:1", trusts: {} })).toMatch(/^INVALID_ARGUMENT: dial: a relay: there is no trusts/);
  expect(await refusal({ address: `a:1#${home.identity}`, trust: {} })).toMatch(/^INVALID_ARGUMENT: .*leave one of them out/);
  expect(await refusal(`127.0.0.1:1 via relay1:4433`)).toMatch(/^INVALID_ARGUMENT/);
  const { transport } = memoryNetwork();
  const dialled = dialWith({ transport, runtime: systemRuntime, agent: "test" }, "kwik://a:1", { relays: ["kwik://b:1"] });
  await expect(dialled).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
});

test("an aborted dial is ABORTED, in whichever way it was under way", async () => {
  await using bench = new RelayBench();
  const home = await bench.home();
  const silent = await bench.relayServer(() => new Promise(() => undefined));
  const abort = new AbortController();
  const dialled = bench.dial(unreachable(home), { relays: [silent.options], signal: abort.signal });
  await expect.poll(() => silent.sessions).toHaveLength(1);
  abort.abort();
  await expect(dialled).rejects.toMatchObject({ code: "ABORTED" });
  await expect.poll(() => silent.listener.stats().sessions).toBe(0);
});
