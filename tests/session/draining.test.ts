import { listenWith, systemRuntime } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";
import { codeOf, film, paths, servedBy, watch } from "./watching.ts";

// spec: DRAIN-1, DRAIN-2, DRAIN-3, DRAIN-4, PRIMARY-2
test("a listener that closes sends its clients to another server: a download goes on, and the listener is done before its time", async () => {
  await using cluster = new TestCluster();
  const data = patternBytes(5, 0, 24_000_000);
  const content = { open: async () => film(data, 5) };
  const [a, b] = [await cluster.serve({ content }), await cluster.serve({ content })];
  const client = await cluster.dial(a);
  const home = await a.next();
  const events = watch(client);
  const offering = codeOf(home.openStream().sendContent(film(data, 5), { end: true }));
  const got: Uint8Array[] = [];
  let total = 0;
  let closing: Promise<void> | undefined;
  const stream = await client.acceptStream();
  void stream.close();
  for await (const piece of stream) {
    got.push(piece);
    total += piece.length;
    if (total > data.length / 4) closing ??= a.listener.close({ graceMs: 600_000, replacements: [`${b.address}#${b.identity}`] });
  }
  expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
  // Whether the client had all before it left here is not for it to say.
  expect(["no error", "NO_ERROR"]).toContain(await offering);
  await closing;
  const [anew] = await servedBy(b);
  expect(anew?.role).toBe("primary");
  expect(await home.closed).toMatchObject({ code: "NO_ERROR", remote: true });
  expect(events.types("going-away", "primary-changed", "suspended", "path-dead", "server-lost")).toEqual([
    "going-away",
    "primary-changed",
    "server-lost",
  ]);
  expect(events.seen.find((event) => event.type === "going-away")).toMatchObject({ graceMs: 600_000, replacements: [b.address] });
  expect(client.stats().paths.map((path) => [path.address, path.state])).toEqual([
    [a.address, "closed"],
    [b.address, "active"],
  ]);
});

// spec: DRAIN-1, DRAIN-4, DRAIN-5
test("while a listener closes, streams that live there go on, over a new connection too, and what is left in the end is lost", async () => {
  await using cluster = new TestCluster();
  const [a, b] = [await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(a);
  const home = await a.next();
  const streams = [client.openStream(), client.openStream()];
  for (const stream of streams) await stream.write(bytes("begin "));
  const [short, endless] = [await home.acceptStream(), await home.acceptStream()];
  const closing = a.listener.close({ graceMs: 4_000, replacements: [b.address] });
  await expect.poll(() => paths(client)).toContain(b.address);
  for (const connection of cluster.network.connections) if (connection.address === a.address) connection.kill();
  await expect.poll(() => paths(client)).toContain(a.address);
  await streams[0]?.write(bytes("end"));
  await streams[0]?.close();
  expect(await textOf(short)).toBe("begin end");
  expect(await codeOf(cluster.dial(a))).toBe("GOING_AWAY");
  const writing = (async () => {
    for (;;) await streams[1]?.write(new Uint8Array(10_000));
  })();
  const lost = codeOf(writing);
  const reading = (async () => {
    while ((await endless.read()) !== null);
  })();
  expect(await codeOf(reading)).toBe("GOING_AWAY");
  expect(await lost).toBe("HOME_LOST");
  await closing;
  expect(client.stats().isSuspended).toBe(false);
});

// spec: DRAIN-2, PATH-9
test("the client's policy holds for replacements, and a stranger needs a ticket of the server that named it", async () => {
  await using cluster = new TestCluster();
  const [a, refused, stranger] = [await cluster.serve(), await cluster.serve(), await cluster.serve()];
  const { transport } = cluster.network;
  const identity = `sha256:${"e".repeat(64)}`;
  // It signs no tickets.
  const serving = { transport, runtime: systemRuntime, agent: "test", tls: { cert: identity, key: "" }, identity, authority: undefined };
  const alone = await listenWith(serving, "127.0.0.1:5000", { tls: "self-signed" });
  const policy = { allow: (address: string) => address !== refused.address };
  const client = await cluster.dial({ ...a, listener: alone }, { pathPolicy: policy, limits: { graceMs: 2_000 } });
  await alone.accept();
  const events = watch(client);
  const closing = alone.close({
    graceMs: 1_000,
    replacements: [refused.address, stranger.address, `${a.address}#sha256:${"0".repeat(64)}`],
  });
  expect((await client.closed).code).toBe("GOING_AWAY");
  await closing;
  const failed = events.seen.flatMap((event) => (event.type === "path-failed" ? [`${event.address} ${event.code}`] : []));
  expect(new Set(failed)).toEqual(
    new Set([`${refused.address} ADDRESS_REFUSED`, `${stranger.address} TICKET_REFUSED`, `${a.address} NOT_TRUSTED`]),
  );
  for (const server of [a, refused, stranger]) expect(server.listener.stats().acceptedSessions).toBe(0);
});

test("what no client could dial is refused as a replacement before anything happens", async () => {
  await using cluster = new TestCluster();
  const { listener } = await cluster.serve();
  for (const replacements of [["not an address"], ["a.example:1#sha256:short"], [""]])
    expect(await codeOf(listener.close({ replacements }))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(listener.close({ graceMs: -1 }))).toBe("INVALID_ARGUMENT");
});
