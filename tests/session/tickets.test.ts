import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { SessionKey } from "@kwik/core";
import { identityOf, mintTicket, type TicketClaims } from "@kwik/trust";
import { expect, test } from "vitest";
import { HAND_SESSION_ID, joinByHand } from "./join-by-hand.ts";
import { bytes, TestCluster, type TestServer, textOf } from "./pair.ts";

/** Everything that a ticket for the client made by hand has to say. */
interface Scene {
  readonly cluster: TestCluster;
  readonly server: TestServer;
  readonly other: TestServer;
  readonly key: SessionKey;
  readonly claims: TicketClaims;
}

async function scene(): Promise<Scene & AsyncDisposable> {
  const cluster = new TestCluster();
  const server = await cluster.serve();
  const other = await cluster.serve();
  const key = await SessionKey.create();
  const claims: TicketClaims = {
    session: Buffer.from(HAND_SESSION_ID).toString("hex"),
    path: 1,
    member: 2,
    server: server.identity,
    clientKey: `sha256:${createHash("sha256").update(key.publicKey).digest("hex")}`,
  };
  return { cluster, server, other, key, claims, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

function minted({ cluster, claims }: Scene, changes: Partial<TicketClaims> = {}, nowMs = Date.now()): Promise<string> {
  return mintTicket(cluster.cluster.ticketSigningKey as string, { ...claims, ...changes }, 30_000, nowMs);
}

/** A token put together by hand: any header, any signature. */
function assembled({ cluster, claims }: Scene, alg: string, signer: (text: string) => Uint8Array): string {
  const seconds = Math.floor(Date.now() / 1000);
  const kid = identityOf(createPublicKey(createPrivateKey(cluster.cluster.ticketSigningKey as string)));
  const { session, path, member, server, clientKey } = claims;
  const payload = { session, path, member, key: clientKey, aud: server, iat: seconds, nbf: seconds, exp: seconds + 30, jti: "by hand" };
  const text = [{ alg, typ: "kwik-join+jwt", kid }, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${text}.${Buffer.from(signer(text)).toString("base64url")}`;
}

const es256 = (text: string): Uint8Array => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
};

const MINUTE_MS = 60_000;

/** Each kind of wrong ticket, and what it counts as. */
const WRONG: readonly (readonly [reason: string, name: string, make: (scene: Scene) => Promise<string> | string])[] = [
  ["ticket-other-server", "one for another server", (at) => minted(at, { server: at.other.identity })],
  ["ticket-other-session", "one of another session", (at) => minted(at, { session: "f".repeat(32) })],
  ["ticket-other-path", "one for another path", (at) => minted(at, { path: 7 })],
  ["ticket-other-member", "one for another member number", (at) => minted(at, { member: 3 })],
  ["ticket-other-client", "one of another client's key", (at) => minted(at, { clientKey: `sha256:${"c".repeat(64)}` })],
  ["ticket-expired", "one that has expired", (at) => minted(at, {}, Date.now() - MINUTE_MS)],
  ["ticket-not-yet-valid", "one that is not valid yet", (at) => minted(at, {}, Date.now() + MINUTE_MS)],
  ["ticket-algorithm", "one that is not signed", (at) => assembled(at, "none", () => new Uint8Array())],
  [
    "ticket-algorithm",
    "one signed with the public key as a shared secret",
    (at) =>
      assembled(at, "HS256", (text) =>
        createHmac("sha256", at.cluster.cluster.ticketVerifyKeys[0] as string)
          .update(text)
          .digest(),
      ),
  ],
  ["ticket-algorithm", "one signed with another algorithm", (at) => assembled(at, "ES256", es256)],
  [
    "ticket-signature",
    "one with another's signature",
    (at) => assembled(at, "EdDSA", (text) => createHash("sha512").update(text).digest()),
  ],
  [
    "ticket-unknown-key",
    "one of another cluster",
    (at) => {
      const { privateKey } = generateKeyPairSync("ed25519");
      return mintTicket(privateKey.export({ type: "pkcs8", format: "pem" }), at.claims, 30_000, Date.now());
    },
  ],
  ["ticket-malformed", "one that is cut off", async (at) => (await minted(at)).slice(0, 200)],
  ["ticket-signature", "one whose signature is cut off", async (at) => (await minted(at)).slice(0, -10)],
  ["ticket-malformed", "one without its signature", async (at) => (await minted(at)).split(".").slice(0, 2).join(".")],
  ["ticket-malformed", "garbage", () => "\u{1f980}.not.a ticket"],
  ["ticket-malformed", "an endless one", () => `${"x".repeat(5_000)}.y.z`],
];

// spec: TICKET-1, TICKET-2
test.each(WRONG)("%s: a join with %s is refused, told and counted", async (reason, _name, make) => {
  await using at = await scene();
  const { cluster, server, key } = at;
  expect(await joinByHand(cluster, server, { key, ticket: await make(at) })).toBe("TICKET_REFUSED");
  expect(server.listener.stats()).toMatchObject({ sessions: 0, refusedSessions: 1, refusals: { [reason]: 1 } });
  expect(server.notices).toEqual([expect.stringMatching(/^refused client:\d+: the join ticket was refused: its? /)]);
  // The right one is none the worse for it.
  expect(await joinByHand(cluster, server, { key, ticket: await minted(at) })).toBe("accepted");
});

// spec: TICKET-3
test("ticket-replayed: a ticket admits once, even to the client that it was made for", async () => {
  await using at = await scene();
  const { cluster, server, key } = at;
  const ticket = await minted(at);
  expect(await joinByHand(cluster, server, { key, ticket })).toBe("accepted");
  const session = await server.next();
  await session.close();
  expect(await joinByHand(cluster, server, { key, ticket })).toBe("TICKET_REFUSED");
  expect(server.listener.stats()).toMatchObject({
    acceptedSessions: 1,
    sessions: 0,
    refusedSessions: 1,
    refusals: { "ticket-replayed": 1 },
  });
  expect(server.notices.at(-1)).toContain("it was used before");
});

// spec: TICKET-2, CTRL-11
test("proof: a stolen ticket is of no use without the session's key", async () => {
  await using at = await scene();
  const { cluster, server, key } = at;
  const ticket = await minted(at);
  const thief = await SessionKey.create();
  // With the owner's public key and the thief's signature, and with the thief's own key.
  expect(await joinByHand(cluster, server, { key, signer: thief, ticket })).toBe("TICKET_REFUSED");
  expect(await joinByHand(cluster, server, { key: thief, ticket })).toBe("TICKET_REFUSED");
  // What a server was shown is of no use at another one: the proof names the server.
  expect(await joinByHand(cluster, server, { key, ticket, identity: at.other.identity })).toBe("TICKET_REFUSED");
  expect(await joinByHand(cluster, server, { key, ticket, identity: "" })).toBe("TICKET_REFUSED");
  expect(server.listener.stats().refusals).toEqual({ proof: 3, "ticket-other-client": 1 });
  expect(await joinByHand(cluster, server, { key, ticket })).toBe("accepted");
});

// spec: TICKET-3
test("a ticket that comes twice at once admits one of the two", async () => {
  await using at = await scene();
  const { cluster, server, key } = at;
  const ticket = await minted(at);
  const outcomes = await Promise.all([1, 2].map(() => joinByHand(cluster, server, { key, ticket })));
  // Whoever comes second finds the ticket used, or, if the session is there by then, its path number.
  const [second] = outcomes.filter((outcome) => outcome !== "accepted");
  expect(outcomes).toContain("accepted");
  expect(["TICKET_REFUSED", "PROTOCOL_VIOLATION"]).toContain(second);
  const reason = second === "TICKET_REFUSED" ? "ticket-replayed" : "path";
  expect(server.listener.stats()).toMatchObject({ acceptedSessions: 1, refusedSessions: 1, refusals: { [reason]: 1 } });
});

// spec: CTRL-11
test.each([0, 1, 63])("proof: one that is cut off after %i bytes is refused, told and counted", async (proofBytes) => {
  await using at = await scene();
  const { cluster, server, key } = at;
  const ticket = await minted(at);
  expect(await joinByHand(cluster, server, { key, ticket, proofBytes })).toBe("TICKET_REFUSED");
  expect(server.listener.stats()).toMatchObject({ sessions: 0, refusedSessions: 1, refusals: { proof: 1 } });
  expect(server.notices).toEqual([expect.stringContaining("not signed with the session's key")]);
  // The ticket was not used up by it.
  expect(await joinByHand(cluster, server, { key, ticket })).toBe("accepted");
});

// spec: TICKET-1
test("a session has the same identity at a server that it joined by ticket", async () => {
  await using cluster = new TestCluster();
  const authenticate = () => ({ ok: true, identity: "ali" }) as const;
  const a = await cluster.serve({ authenticate });
  const b = await cluster.serve({ authenticate: () => ({ ok: false, reason: "is not to be asked" }) });
  const client = await cluster.dial(a);
  const primary = await a.next();
  const joined = b.next();
  await primary.addPath(b.address, { identity: b.identity });
  expect(primary.clientIdentity).toBe("ali");
  expect((await joined).clientIdentity).toBe("ali");
  await client.close();
});

test("notices of refusals for one reason do not fill the log, counts go on", async () => {
  await using at = await scene();
  const { cluster, server, key } = at;
  for (let i = 0; i < 20; i += 1) await joinByHand(cluster, server, { key, ticket: "a.b.c" });
  await joinByHand(cluster, server, { key, ticket: await minted(at, { path: 7 }) });
  expect(server.listener.stats().refusals).toEqual({ "ticket-malformed": 20, "ticket-other-path": 1 });
  expect(server.notices).toHaveLength(2);
});

// spec: TICKET-2
test("what signs tickets is changed under a session that is in use: it goes on, and its next servers take the new key's tickets", async () => {
  await using cluster = new TestCluster();
  const [primary, second, late] = [await cluster.serve(), await cluster.serve(), await cluster.serve()];
  const client = await cluster.dial(primary);
  const events: string[] = [];
  void (async () => {
    for await (const event of client.events()) events.push(event.type);
  })();
  const server = await primary.next();
  await server.addPath(second.address, { identity: second.identity });
  const stream = client.openStream();
  await stream.write(bytes("before, "));
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const before = cluster.cluster.ticketVerifyKeys[0] as string;
  const after = publicKey.export({ type: "spki", format: "pem" });
  const ticketSigningKey = privateKey.export({ type: "pkcs8", format: "pem" });
  // The successor is known to all before it signs; the one that has not heard of the change signs as before.
  for (const { listener } of [primary, second]) await listener.updateCluster({ ticketSigningKey, ticketVerifyKeys: [before, after] });
  await late.listener.updateCluster({ ...cluster.cluster, ticketVerifyKeys: [before, after] });
  const joined = late.next();
  await server.addPath(late.address, { identity: late.identity });
  expect((await joined).id).toBe(client.id);
  // Two changes on, a ticket of the first key is worth nothing, and who is in stays.
  for (const { listener } of [primary, second, late]) await listener.updateCluster({ ticketSigningKey, ticketVerifyKeys: [after] });
  await stream.write(bytes("and after"));
  await stream.close();
  expect(await textOf(await server.acceptStream())).toBe("before, and after");
  expect(client.stats().paths.map(({ state }) => state)).toEqual(["active", "active", "active"]);
  expect(events).not.toContain("suspended");
  const refused = await joinByHand(cluster, late, {
    ticket: await mintTicket(cluster.cluster.ticketSigningKey as string, claimsFor(late), 30_000, Date.now()),
  });
  expect(refused).toBe("TICKET_REFUSED");
  expect(late.listener.stats().refusals).toEqual({ "ticket-unknown-key": 1 });
});

function claimsFor({ identity }: TestServer): TicketClaims {
  return {
    session: Buffer.from(HAND_SESSION_ID).toString("hex"),
    path: 1,
    member: 2,
    server: identity,
    clientKey: `sha256:${"0".repeat(64)}`,
  };
}
