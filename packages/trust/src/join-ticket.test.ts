import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { expect, test } from "vitest";
import { privateKeyPem } from "./certificate.ts";
import { identityOf } from "./identity.ts";
import { joinAuthority } from "./join-authority.ts";
import { mintTicket, type TicketClaims, TicketVerifier } from "./join-ticket.ts";

const keys = ticketKeys();
const otherKeys = ticketKeys();
const start = Date.UTC(2031, 4, 6);
const server = `sha256:${"a1".repeat(32)}`;
const claims: TicketClaims = {
  session: "0123456789abcdef0123456789abcdef",
  path: 3,
  member: 2,
  server,
  clientKey: `sha256:${"c1".repeat(32)}`,
};
const expected = { sessionId: claims.session, pathId: 3, memberId: 2, clientKeyThumbprint: claims.clientKey };
const refusal = (text: string) => ({ code: "TICKET_REFUSED", remote: true, message: expect.stringContaining(text) });

function ticketKeys(): { signing: string; verify: string; kid: string } {
  const pair = generateKeyPairSync("ed25519");
  return {
    signing: privateKeyPem(pair.privateKey),
    verify: pair.publicKey.export({ type: "spki", format: "pem" }),
    kid: identityOf(pair.publicKey),
  };
}

function verifierAt(nowMs: number, publicKeys = [keys.verify], maxRemembered?: number): TicketVerifier {
  return new TicketVerifier(publicKeys, server, { now: () => nowMs, ...(maxRemembered === undefined ? {} : { maxRemembered }) });
}

function mint(changes: Partial<TicketClaims> = {}, signing = keys.signing): Promise<string> {
  return mintTicket(signing, { ...claims, ...changes }, 30_000, start);
}

/** A ticket put together by hand. */
function assemble(header: object, payload: object, signer: (text: string) => Uint8Array): string {
  const text = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${Buffer.from(signer(text)).toString("base64url")}`;
}

const ed25519 = (text: string) => sign(null, Buffer.from(text), keys.signing);
const goodHeader = { alg: "EdDSA", typ: "kwik-join+jwt", kid: keys.kid };
const goodPayload = {
  session: claims.session,
  path: 3,
  member: 2,
  key: claims.clientKey,
  aud: server,
  iat: start / 1000,
  nbf: start / 1000,
  exp: start / 1000 + 30,
  jti: "j",
};

// spec: TICKET-1, TICKET-3
test("a ticket admits once what it was made for", async () => {
  const verifier = verifierAt(start + 1000);
  const ticket = await mint();
  expect(decodeProtectedHeader(ticket)).toEqual(goodHeader);
  expect(decodeJwt(ticket)).toEqual({ ...goodPayload, jti: expect.any(String) });
  expect(await verifier.verify(ticket, expected)).toEqual({ claims });
  await expect(verifier.verify(ticket, expected)).rejects.toMatchObject(refusal("used before"));
});

// spec: TICKET-3
test("of two uses at the same time one wins", async () => {
  const verifier = verifierAt(start);
  const ticket = await mint();
  const outcomes = await Promise.allSettled([verifier.verify(ticket, expected), verifier.verify(ticket, expected)]);
  expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(["fulfilled", "rejected"]);
});

// spec: TICKET-2
test("a ticket is for one session, path, member, client key and server", async () => {
  const cases: [Partial<TicketClaims>, string][] = [
    [{ session: "f".repeat(32) }, "another session"],
    [{ path: 4 }, "another path"],
    [{ member: 3 }, "another member"],
    [{ clientKey: `sha256:${"c2".repeat(32)}` }, "another client key"],
    [{ server: `sha256:${"a2".repeat(32)}` }, "another server"],
  ];
  const verifier = verifierAt(start);
  for (const [change, text] of cases) await expect(verifier.verify(await mint(change), expected)).rejects.toMatchObject(refusal(text));
});

// spec: TICKET-3
test("a refused attempt does not use a ticket up", async () => {
  const verifier = verifierAt(start);
  const ticket = await mint();
  await expect(verifier.verify(ticket, { ...expected, pathId: 9 })).rejects.toMatchObject(refusal("another path"));
  await expect(verifier.verify(ticket, expected)).resolves.toBeDefined();
});

// spec: TICKET-2
test("a ticket works from its beginning to its end, give or take the skew of clocks", async () => {
  const ticket = await mint();
  const at = (offsetMs: number) => verifierAt(start + offsetMs).verify(ticket, expected);
  await expect(at(-4_900)).resolves.toBeDefined();
  await expect(at(34_900)).resolves.toBeDefined();
  await expect(at(-6_100)).rejects.toMatchObject(refusal("not valid yet"));
  await expect(at(36_100)).rejects.toMatchObject(refusal("expired"));
});

// spec: TICKET-1
test("only Ed25519 counts: no other algorithm, none, or a public key used as a shared secret", async () => {
  const verifier = verifierAt(start);
  const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const es256 = (text: string) => sign("sha256", Buffer.from(text), { key: ec.privateKey, dsaEncoding: "ieee-p1363" });
  const hmac = (text: string) => createHmac("sha256", keys.verify).update(text).digest();
  const spki = createPublicKey(keys.verify).export({ type: "spki", format: "der" });
  const hmacDer = (text: string) => createHmac("sha256", spki).update(text).digest();
  const forged = [
    assemble({ ...goodHeader, alg: "none" }, goodPayload, () => new Uint8Array()),
    assemble({ ...goodHeader, alg: "NONE" }, goodPayload, () => new Uint8Array()),
    assemble({ ...goodHeader, alg: "HS256" }, goodPayload, hmac),
    assemble({ ...goodHeader, alg: "HS256" }, goodPayload, hmacDer),
    assemble({ ...goodHeader, alg: "ES256" }, goodPayload, es256),
    assemble({ ...goodHeader, alg: "ES256", jwk: ec.publicKey.export({ format: "jwk" }) }, goodPayload, es256),
    assemble({ ...goodHeader, alg: "Ed25519" }, goodPayload, ed25519),
  ];
  for (const ticket of forged) await expect(verifier.verify(ticket, expected)).rejects.toMatchObject(refusal("kind that is not allowed"));
});

// spec: TICKET-2
test("a key is taken from this server's list, never from the ticket", async () => {
  const verifier = verifierAt(start);
  await expect(verifier.verify(await mint({}, otherKeys.signing), expected)).rejects.toMatchObject(refusal("does not know"));
  const withOther = (text: string) => sign(null, Buffer.from(text), otherKeys.signing);
  const jwk = createPublicKey(otherKeys.verify).export({ format: "jwk" });
  await expect(verifier.verify(assemble({ ...goodHeader, jwk }, goodPayload, withOther), expected)).rejects.toMatchObject(
    refusal("signature is wrong"),
  );
  await expect(verifier.verify(assemble({ ...goodHeader, kid: undefined }, goodPayload, ed25519), expected)).rejects.toMatchObject(
    refusal("does not know"),
  );
});

test("while keys are replaced, tickets of the old and of the new one are good", async () => {
  const verifier = verifierAt(start, [keys.verify, otherKeys.verify]);
  await expect(verifier.verify(await mint(), expected)).resolves.toBeDefined();
  await expect(verifier.verify(await mint({}, otherKeys.signing), expected)).resolves.toBeDefined();
});

// spec: TICKET-1
test("a well-signed token that is no join ticket is refused", async () => {
  const verifier = verifierAt(start);
  const cases: [object, object, string][] = [
    [{ ...goodHeader, typ: "JWT" }, goodPayload, "not a join ticket"],
    [{ ...goodHeader, typ: undefined }, goodPayload, "not a join ticket"],
    [goodHeader, { ...goodPayload, jti: undefined }, "malformed"],
    [goodHeader, { ...goodPayload, jti: "j".repeat(65) }, "malformed"],
    [goodHeader, { ...goodPayload, exp: undefined }, "malformed"],
    [goodHeader, { ...goodPayload, exp: "soon" }, "malformed"],
    [goodHeader, { ...goodPayload, nbf: undefined }, "not valid yet"],
    [goodHeader, { ...goodPayload, aud: undefined }, "another server"],
    [goodHeader, { ...goodPayload, session: undefined }, "malformed"],
    [goodHeader, { ...goodPayload, path: "3" }, "another path"],
    [goodHeader, { ...goodPayload, exp: start / 1000 + 86_400 }, "longer than an hour"],
    [{ ...goodHeader, crit: ["x"], x: 1 }, goodPayload, "malformed"],
  ];
  for (const [header, payload, text] of cases) {
    await expect(verifier.verify(assemble(header, payload, ed25519), expected), text).rejects.toMatchObject(refusal(text));
  }
  await expect(verifier.verify(assemble(goodHeader, goodPayload, ed25519), expected)).resolves.toBeDefined();
});

test("a ticket cut anywhere, or with any character changed, is refused", async () => {
  const verifier = verifierAt(start);
  const ticket = await mint();
  for (let end = 0; end < ticket.length; end += 7)
    await expect(verifier.verify(ticket.slice(0, end), expected)).rejects.toMatchObject(refusal(""));
  const [head = "", body = "", seal = ""] = ticket.split(".");
  for (let i = 0; i < body.length; i += 11) {
    const changed = `${head}.${body.slice(0, i)}${body[i] === "A" ? "B" : "A"}${body.slice(i + 1)}.${seal}`;
    await expect(verifier.verify(changed, expected)).rejects.toMatchObject(refusal(""));
  }
});

test("garbage is refused, not thrown at the caller in some other way", async () => {
  const verifier = verifierAt(start);
  const garbage = [
    "",
    ".",
    "..",
    "a.b.c",
    "....",
    "\0",
    "é.é.é",
    "null",
    "{}",
    randomBytes(300).toString("base64url"),
    "x".repeat(5000),
    "bnVsbA.bnVsbA.bnVsbA",
  ];
  for (const ticket of garbage) await expect(verifier.verify(ticket, expected)).rejects.toMatchObject(refusal("refused"));
});

test("a full memory refuses new tickets and forgets no used one, until they expire", async () => {
  let now = start;
  const verifier = new TicketVerifier([keys.verify], server, { now: () => now, monotonicNow: () => now, maxRemembered: 2 });
  const [first, second, third] = await Promise.all([mint(), mint(), mint()]);
  await verifier.verify(first, expected);
  await verifier.verify(second, expected);
  await expect(verifier.verify(third, expected)).rejects.toMatchObject(refusal("too many"));
  await expect(verifier.verify(first, expected)).rejects.toMatchObject(refusal("used before"));
  now = start + 60_000;
  const later = await mintTicket(keys.signing, claims, 30_000, now);
  await expect(verifier.verify(later, expected)).resolves.toBeDefined();
});

// spec: TICKET-3
test("a used ticket stays used for as long as it would be accepted", async () => {
  let now = start;
  const verifier = new TicketVerifier([keys.verify], server, { now: () => now, monotonicNow: () => now });
  const ticket = await mint();
  await verifier.verify(ticket, expected);
  for (now = start; now < start + 50_000; now += 500)
    await expect(verifier.verify(ticket, expected)).rejects.toMatchObject({ code: "TICKET_REFUSED" });
});

// spec: TICKET-3
test("a used ticket stays used when the clock leaps ahead and is set right again", async () => {
  let now = start;
  let elapsed = 0;
  const verifier = new TicketVerifier([keys.verify], server, { now: () => now, monotonicNow: () => elapsed });
  const ticket = await mint();
  await verifier.verify(ticket, expected);
  now = start + 3_600_000;
  elapsed = 11_000;
  await verifier.verify(await mintTicket(keys.signing, claims, 30_000, now), expected);
  now = start + 12_000;
  elapsed = 12_000;
  await expect(verifier.verify(ticket, expected)).rejects.toMatchObject(refusal("used before"));
});

// spec: TICKET-3
test("a used ticket stays used when the clock is set back, for as long as it is good by it", async () => {
  let now = start + 20_000;
  let elapsed = 0;
  const verifier = new TicketVerifier([keys.verify], server, { now: () => now, monotonicNow: () => elapsed });
  const ticket = await mint();
  await verifier.verify(ticket, expected);
  now = start;
  elapsed = 25_000;
  await expect(verifier.verify(ticket, expected)).rejects.toMatchObject(refusal("used before"));
});

test("unusable keys and requests are arguments' faults", async () => {
  const ec = privateKeyPem(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey);
  const invalid = { code: "INVALID_ARGUMENT" };
  await expect(mint({}, ec)).rejects.toMatchObject(invalid);
  await expect(mint({}, "x")).rejects.toMatchObject(invalid);
  await expect(mint({ session: "xyz" })).rejects.toMatchObject(invalid);
  await expect(mint({ server: "" })).rejects.toMatchObject(invalid);
  for (const lifetime of [0, -1, Number.NaN, 3_600_001])
    await expect(mintTicket(keys.signing, claims, lifetime, start)).rejects.toMatchObject(invalid);
  expect(() => new TicketVerifier(["x"], server)).toThrow(expect.objectContaining(invalid));
  expect(() => new TicketVerifier([keys.verify], "me")).toThrow(expect.objectContaining(invalid));
});

test("the authority of one server mints what that of another accepts", async () => {
  const clientKey = createPublicKey(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey).export({
    type: "spki",
    format: "der",
  });
  const certificateIdentity = `sha256:${"ce".repeat(32)}`;
  const subject = { sessionId: claims.session, pathId: 1, memberId: 2, clientKey, clientIdentity: "ali", certificateIdentity };
  const primary = await joinAuthority({ ticketSigningKey: keys.signing, ticketVerifyKeys: [keys.verify] }, `sha256:${"b0".repeat(32)}`);
  const secondary = await joinAuthority({ ticketVerifyKeys: [keys.verify] }, server);
  const ticket = await primary.mint({ ...subject, identity: server });
  await expect(primary.verify(ticket, subject)).rejects.toMatchObject(refusal("another server"));
  await expect(secondary.verify(ticket, { ...subject, clientKey: clientKey.subarray(1) })).rejects.toMatchObject(
    refusal("another client key"),
  );
  expect(await secondary.verify(ticket, subject)).toEqual({ clientIdentity: "ali", certificateIdentity });
  await expect(secondary.verify(ticket, subject)).rejects.toMatchObject(refusal("used before"));
  await expect(secondary.mint({ ...subject, identity: server })).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
    message: expect.stringContaining("ticketSigningKey"),
  });
});

// spec: TICKET-1
test("a ticket says whose certificate its client showed; one that was put together elsewhere reads the same", async () => {
  const certificateIdentity = `sha256:${"ce".repeat(32)}`;
  expect(decodeJwt(await mint({ certificateIdentity }))).toMatchObject({ cert: certificateIdentity });
  expect(decodeJwt(await mint())).not.toHaveProperty("cert");
  const foreign = assemble(goodHeader, { ...goodPayload, cert: certificateIdentity }, ed25519);
  expect((await verifierAt(start).verify(foreign, expected)).claims).toEqual({ ...claims, certificateIdentity });
  for (const cert of [1, "", "me", null, [certificateIdentity]]) {
    const malformed = assemble(goodHeader, { ...goodPayload, cert }, ed25519);
    await expect(verifierAt(start).verify(malformed, expected)).rejects.toMatchObject(refusal("malformed"));
  }
  await expect(mint({ certificateIdentity: "me" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
