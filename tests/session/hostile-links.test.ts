import { dialWith, ErrorCode, joinTranscript, SessionKey, systemRuntime } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import {
  CarrierKind,
  type ControlBody,
  ControlDecoder,
  encodeEnvelope,
  encodePreamble,
  envelopeOf,
  EVERY_MESSAGE,
  partialBody,
} from "@kwik/proto";
import { bytes, TestCluster, type TestServer, textOf } from "./pair.ts";
import { CREDIT, RawLink } from "./raw-link.ts";

async function until(condition: () => boolean, maxMs = 30_000): Promise<void> {
  const end = performance.now() + maxMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function join(
  key: SessionKey,
  server: TestServer,
  sessionId: Uint8Array,
  pathId: number,
  memberId: number,
  resume = false,
  identity = server.identity,
): Promise<ControlBody> {
  const hex = Buffer.from(sessionId).toString("hex");
  const statement = { sessionId: hex, pathId, memberId, identity, ticket: "" };
  const proof = await key.sign(joinTranscript(statement));
  return partialBody("join", {
    versions: [1],
    sessionId,
    pathId,
    memberId,
    clientKey: key.publicKey,
    proof,
    resume,
    credit: CREDIT,
  });
}

// spec: CTRL-9, CTRL-12
test("a hello without credit is refused, and leaves no session behind", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const key = await SessionKey.create();
  const raw = await RawLink.to(cluster.network.transport, server.address);
  raw.say(partialBody("clientHello", { versions: [1], clientKey: key.publicKey }));
  expect((await raw.answer("refused")).code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(server.listener.stats()).toMatchObject({ sessions: 0, acceptedSessions: 0, refusedSessions: 1 });
});

// spec: SESS-1, STREAM-1
test("a join under a number that no server can have is refused", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const key = await SessionKey.create();
  for (const [memberId, code] of [
    [0, ErrorCode.PROTOCOL_VIOLATION],
    [1, ErrorCode.NO_SESSION],
    [512, ErrorCode.PROTOCOL_VIOLATION],
    [0xffff_ffff, ErrorCode.PROTOCOL_VIOLATION],
  ] as const) {
    const raw = await RawLink.to(cluster.network.transport, server.address);
    raw.say(await join(key, server, new Uint8Array(16).fill(3), 1, memberId));
    expect((await raw.answer("refused")).code).toBe(code);
  }
  expect(server.listener.stats().sessions).toBe(0);
});

// spec: PATH-1
test("a join with the number of a path in use is refused, and that path is none the worse", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const key = await SessionKey.create();
  const first = await RawLink.to(cluster.network.transport, server.address);
  first.say(partialBody("clientHello", { versions: [1], clientKey: key.publicKey, credit: CREDIT }));
  const { sessionId } = await first.answer("helloReply");
  const session = await server.next();
  const second = await RawLink.to(cluster.network.transport, server.address);
  second.say(await join(key, server, sessionId as Uint8Array, 0, 1, true));
  expect((await second.answer("refused")).code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  await until(() => second.closed !== undefined);
  expect(first.closed).toBeUndefined();
  expect(session.activePaths().map((path) => path.id)).toEqual([0]);
  first.link.close(0, "");
});

// spec: RESUME-7
test("a join that is signed for no server ends nothing that is in use, whoever shows it", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve();
  const key = await SessionKey.create();
  const first = await RawLink.to(cluster.network.transport, server.address);
  first.say(partialBody("clientHello", { versions: [1], clientKey: key.publicKey, credit: CREDIT }));
  const sessionId = (await first.answer("helloReply")).sessionId as Uint8Array;
  const session = await server.next();
  const second = await RawLink.to(cluster.network.transport, server.address);
  second.say(await join(key, server, sessionId, 1, 2, false, ""));
  expect((await second.answer("refused")).code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(session.activePaths().map((path) => path.id)).toEqual([0]);
  first.link.close(ErrorCode.LINK_LOST, "");
  await until(() => session.stats().isSuspended);
  const third = await RawLink.to(cluster.network.transport, server.address);
  third.say(await join(key, server, sessionId, 2, 2, false, ""));
  await third.answer("helloReply");
  expect((await session.closed).code).toBe("NO_PATHS");
  third.link.close(0, "");
});

// spec: SESS-3
test("two paths of one client that join a server at the same moment meet in one session", async () => {
  await using cluster = new TestCluster();
  let calls = 0;
  const server = await cluster.serve({
    authenticate: async () => {
      calls += 1;
      await until(() => calls === 2);
      return { ok: true };
    },
  });
  const key = await SessionKey.create();
  const id = new Uint8Array(16).fill(7);
  const links = [await RawLink.to(cluster.network.transport, server.address), await RawLink.to(cluster.network.transport, server.address)];
  for (const [index, raw] of links.entries()) raw.say(await join(key, server, id, index + 1, 2));
  for (const raw of links) await raw.answer("helloReply");
  const session = await server.next();
  expect(server.listener.stats()).toMatchObject({ sessions: 1, acceptedSessions: 1 });
  expect(session.activePaths().map((path) => path.id)).toEqual([1, 2]);
  for (const raw of links) raw.link.close(0, "");
});

// spec: PATH-3
test("links that say nothing, nonsense, or too much are closed with a code, and others are served meanwhile", async () => {
  await using cluster = new TestCluster();
  const server = await cluster.serve({ limits: { handshakeTimeoutMs: 200, maxBytesBeforeAuth: 100_000 } });
  const silent = await RawLink.to(cluster.network.transport, server.address);
  const loud = await RawLink.to(cluster.network.transport, server.address);
  const data = loud.open();
  data.send([encodePreamble(CarrierKind.data), new Uint8Array(200_000)]);
  const wide = await RawLink.to(cluster.network.transport, server.address);
  for (let count = 0; count < 600; count += 1) wide.open().send([encodePreamble(CarrierKind.data)]);
  const babbling = await RawLink.to(cluster.network.transport, server.address);
  babbling.open().send([patternBytes(1, 0, 500)]);
  const all = [silent, loud, wide, babbling];
  await until(() => all.every((raw) => raw.closed !== undefined));
  expect(all.map((raw) => raw.closed?.code)).toEqual([ErrorCode.TIMEOUT, ErrorCode.TOO_LARGE, ErrorCode.LIMIT_REACHED, ErrorCode.NOT_KWIK]);
  const [client, accepted] = await Promise.all([cluster.dial(server), server.next()]);
  const stream = client.openStream();
  await stream.write(bytes("served"));
  void stream.close();
  expect(await textOf(await accepted.acceptStream())).toBe("served");
});

// spec: PATH-5
test("a server that accepts and breaks the rules at once is dialled again less and less often", async () => {
  await using cluster = new TestCluster();
  let accepted = 0;
  const listening = await cluster.network.transport.listen({
    address: { host: "127.0.0.1", port: 4900 },
    tls: { cert: `sha256:${"e".repeat(64)}`, key: "" },
    onLink: (link) => {
      link.attach({
        onCarrier: (carrier) => {
          const decoder = new ControlDecoder({ maxControlMessageBytes: 1_000_000 }, EVERY_MESSAGE);
          let isControl: boolean | undefined;
          carrier.receiver = {
            onData: (data) => {
              const rest = isControl === undefined ? data.subarray(6) : data;
              isControl ??= data[5] === 0;
              if (!isControl) return;
              decoder.push(rest);
              const opening = decoder.poll()?.body;
              if (opening?.case !== "clientHello" && opening?.case !== "join") return;
              accepted += 1;
              const sessionId = opening.case === "join" ? opening.value.sessionId : new Uint8Array(16);
              const reply = partialBody("helloReply", {
                version: 1,
                sessionId,
                memberId: 1,
                credit: CREDIT,
                resumed: opening.case === "join",
              });
              carrier.send([
                encodeEnvelope(EVERY_MESSAGE, envelopeOf(reply)),
                encodeEnvelope(EVERY_MESSAGE, envelopeOf(partialBody("rangeRequest", {}), accepted)),
              ]);
            },
            onEnd: () => undefined,
          };
        },
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      });
    },
  });
  const url = `kwik://${listening.address}`;
  const client = await dialWith({ transport: cluster.network.transport, runtime: systemRuntime, agent: "test" }, url);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(accepted).toBeGreaterThan(2);
  expect(accepted).toBeLessThan(10);
  await client.close();
  await listening.close();
});
