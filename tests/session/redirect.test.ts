import { dialWith, isKwikError, type ListenOptions, systemRuntime } from "@kwik/core";
import { expect, test } from "vitest";
import { bytes, TestCluster, type TestServer, textOf } from "./pair.ts";

const ELSEWHERE = 4_999;
/** For dials whose other port comes to nothing. */
const SOON = { redirectTimeoutMs: 50 };

/** A listener of the same key at another port. */
function beside(first: TestServer, options: Partial<ListenOptions> = {}, identity = first.identity): [Partial<ListenOptions>, TestServer] {
  return [options, { ...first, identity, address: `127.0.0.1:${ELSEWHERE}` }];
}

async function refusalOf(dialling: Promise<unknown>): Promise<string> {
  return dialling.then(
    () => "",
    (error: unknown) => (isKwikError(error) ? error.code : String(error)),
  );
}

// spec: CTRL-20
test("a session begins at the port that the dialled process names, is authenticated there, and nobody is sent on twice", async () => {
  await using cluster = new TestCluster();
  let asked = 0;
  const first = await cluster.serve({ redirect: () => ELSEWHERE, authenticate: () => ({ ok: false, reason: "not here" }) });
  const second = await cluster.serve(
    ...beside(first, {
      redirect: () => {
        asked += 1;
        return 4_001;
      },
      authenticate: ({ token }) => ({ ok: token === "right" }),
    }),
  );
  const client = await cluster.dial(first, { credentials: { token: "right" }, trust: { pins: [first.identity] } });
  const stream = client.openStream();
  await stream.write(bytes("here"));
  void stream.close();
  expect(await textOf(await (await second.next()).acceptStream())).toBe("here");
  expect(asked).toBe(0);
  expect(cluster.network.dialled).toEqual([first.address, second.address]);
  expect(client.stats().paths.map(({ address }) => address)).toEqual([second.address]);
  expect(first.listener.stats()).toMatchObject({ sessions: 0, refusedSessions: 0, redirectedSessions: 1 });
  expect(first.notices).toEqual([]);
});

// spec: CTRL-20
test("who finds nobody at the other port, or another key, is taken where he came from", async () => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect: () => ELSEWHERE });
  await cluster.dial(first, { limits: SOON });
  const other = await cluster.serve(...beside(first, {}, `sha256:${"f".repeat(64)}`));
  await cluster.dial(first, { limits: SOON });
  expect(first.listener.stats()).toMatchObject({ sessions: 2, redirectedSessions: 2 });
  expect(other.listener.stats()).toMatchObject({ sessions: 0, acceptedSessions: 0 });
});

test("credentials that the other process refuses are not tried again where the client came from", async () => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect: () => ELSEWHERE });
  await cluster.serve(...beside(first, { authenticate: () => ({ ok: false }) }));
  expect(await refusalOf(cluster.dial(first))).toBe("AUTH_REFUSED");
  expect(first.listener.stats().acceptedSessions).toBe(0);
});

test.each([22, 25, 6_379, 11_211])("no server can have its clients dial port %i of its host", async (port) => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect: () => port });
  await cluster.dial(first);
  expect(cluster.network.dialled).toEqual([first.address, first.address]);
  expect(first.listener.stats()).toMatchObject({ sessions: 1, redirectedSessions: 1 });
});

// spec: CTRL-20
test("the other port is dialled where the first one answered, whatever the name stands for by now, and so it is when the path breaks", async () => {
  let asked = 0;
  const resolve = (host: string): readonly string[] | undefined => {
    if (host !== "turning.example") return undefined;
    asked += 1;
    return asked === 1 ? ["127.0.0.1"] : ["10.0.0.9"];
  };
  await using cluster = new TestCluster({ resolve });
  const first = await cluster.serve({ redirect: () => ELSEWHERE });
  const second = await cluster.serve(...beside(first));
  const environment = { transport: cluster.network.transport, runtime: systemRuntime, agent: "test" };
  const client = await dialWith(environment, "kwik://turning.example:4001", { trust: { pins: [first.identity] } });
  await second.next();
  cluster.network.unplug(second.address);
  await expect.poll(() => cluster.network.dialled.length, { timeout: 30_000 }).toBeGreaterThan(2);
  expect(cluster.network.dialled.filter((address) => address.startsWith("10."))).toEqual([]);
  expect(new Set(cluster.network.dialled)).toEqual(new Set([first.address, second.address]));
  await client.close();
});

// spec: PATH-15
test("a port that came to nothing counts as an address that was dialled in vain", async () => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect: () => ELSEWHERE });
  await cluster.dial(first, { limits: { ...SOON, maxVainDials: 1, vainDialsPerMinute: 0.001 } });
  const session = await first.next();
  await expect(session.addPath("127.0.0.1:4998")).rejects.toMatchObject({
    code: "LIMIT_REACHED",
    message: expect.stringContaining("maxVainDials") as string,
  });
  expect(cluster.network.dialled).toEqual([first.address, `127.0.0.1:${ELSEWHERE}`, first.address]);
});

test("early clients are taken where they dial", async () => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect: () => ELSEWHERE });
  const client = await cluster.dial(first, { early: true });
  await client.ready;
  expect(first.listener.stats()).toMatchObject({ sessions: 1, redirectedSessions: 0 });
});

function raise(words: string): never {
  throw new Error(words);
}

const WRONG: readonly (readonly [string, () => number, string])[] = [
  ["throws", () => raise("no table"), "redirect failed: no table"],
  ["gives 0", () => 0, "redirect gave what is no port"],
  ["gives a text", () => "4999" as unknown as number, "redirect gave what is no port"],
];
test.each(WRONG)("a `redirect` that %s takes the session here, and says so", async (_, redirect, words) => {
  await using cluster = new TestCluster();
  const first = await cluster.serve({ redirect });
  await cluster.dial(first);
  expect(first.listener.stats()).toMatchObject({ sessions: 1, redirectedSessions: 0 });
  expect(first.notices[0]).toContain(words);
});

test("a dial that is aborted on its way to the other port begins nowhere", async () => {
  await using cluster = new TestCluster({ shape: { delayMs: 5 } });
  const abort = new AbortController();
  const first = await cluster.serve({
    redirect: () => {
      abort.abort();
      return ELSEWHERE;
    },
  });
  const second = await cluster.serve(...beside(first));
  expect(await refusalOf(cluster.dial(first, { signal: abort.signal }))).toBe("ABORTED");
  expect(first.listener.stats().acceptedSessions + second.listener.stats().acceptedSessions).toBe(0);
});
