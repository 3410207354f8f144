import { SessionKey } from "@kwik/core";
import { errorName } from "@kwik/proto";
import { expect, test } from "vitest";
import { joinByHand } from "./join-by-hand.ts";
import { TestCluster } from "./pair.ts";

// spec: CTRL-11, PATH-9, SESS-4
test("a server takes a join that is signed as the specification writes it, and no other", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  expect(await joinByHand(cluster, server)).toBe("accepted");
  expect(await joinByHand(cluster, server, { signer: await SessionKey.create() })).toBe("TICKET_REFUSED");
  expect(await joinByHand(cluster, server, { identity: `sha256:${"f".repeat(64)}` })).toBe("TICKET_REFUSED");
});

// spec: PATH-9
test("a direct join is authenticated like a first hello", async () => {
  await using cluster = new TestCluster();
  const seen: unknown[] = [];
  const server = await cluster.serve({
    authenticate: ({ token, joining }) => {
      seen.push([token, joining]);
      return { ok: token === "open sesame" };
    },
  });
  expect(await joinByHand(cluster, server, { token: "guess" })).toBe("AUTH_REFUSED");
  expect(await joinByHand(cluster, server, { token: "open sesame" })).toBe("accepted");
  expect(seen).toEqual([
    ["guess", true],
    ["open sesame", true],
  ]);
});

// spec: PATH-10, CTRL-11
test("a server that does not know the session refuses a client that says it was here, and one with another key than the session's", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  expect(await joinByHand(cluster, server, { isResume: true })).toBe("NO_SESSION");
  expect(await joinByHand(cluster, server)).toBe("accepted");
  expect(await joinByHand(cluster, server)).toBe("TICKET_REFUSED");
});

// spec: TICKET-2
test("a ticket that nobody signed is refused", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  expect(await joinByHand(cluster, server, { ticket: "a.b.c" })).toBe("TICKET_REFUSED");
});

// spec: CARRIER-5
test("a link that says nothing is closed with TIMEOUT", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { handshakeTimeoutMs: 50 } });
  const [host = "", port = ""] = server.address.split(":");
  const link = await cluster.network.transport.dial({
    address: { host, port: Number(port) },
    trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 1000,
    signal: undefined,
  });
  const code = await new Promise<number>((resolve) => {
    link.attach({
      onCarrier: () => undefined,
      onDatagram: () => undefined,
      onClose: (info) => resolve(info.code),
      onBatchEnd: () => undefined,
    });
  });
  expect(errorName(code)).toBe("TIMEOUT");
});
