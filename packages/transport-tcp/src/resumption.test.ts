import type { AddressInfo } from "node:net";
import { createServer, TLSSocket } from "node:tls";
import type { Server } from "node:tls";
import type { DialPlan } from "@kwik/core";
import { clientContext, verifyServer } from "@kwik/tls";
import { afterEach, expect, test, vi } from "vitest";
import { connectTcp } from "./connect.ts";
import { TlsSessions } from "./tls-sessions.ts";
import type { KeptSession, SessionPlace } from "./tls-sessions.ts";

// Made with makeSelfSigned({ validDays: 36_500 }) of @kwik/trust, which this package does not depend on. The key guards nothing.
const mine = {
  cert: `-----BEGIN CERTIFICATE-----
MIICEzCCAbigAwIBAgIQflYs9wyDo03rFFQF3HEFozAKBggqhkjOPQQDAjAnMSUw
IwYDVQQDDBxrd2lrIHNlcnZlciA5ZGJiZDY0NjI5OWQ5MTMyMCAXDTI2MTEyMTE4
NTIwOFoYDzIxMjYxMDI4MTk1MjA4WjAnMSUwIwYDVQQDDBxrd2lrIHNlcnZlciA5
ZGJiZDY0NjI5OWQ5MTMyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYlkgVQRW
eM3zRG9i9R88PHiXsOBtQP1NAwtZOOfhxYfXJONd336MWFE5p5gqBW+3gzp6w331
Zp8VfBHEvfey76OBwzCBwDAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBSdu9ZGKZ2R
Mq/j2uXSNbDr/j7f9jAfBgNVHSMEGDAWgBSdu9ZGKZ2RMq/j2uXSNbDr/j7f9jAT
BgNVHSUEDDAKBggrBgEFBQcDATBbBgNVHREEVDBSgglsb2NhbGhvc3SCRXR3NTVt
cnJqdHdpdGZsN2QzbHM1ZW5ucTVwN2Q1eDd3bzc3Z3d6bHM3Znp4d3M0ajM3d2Eu
aWQua3dpay5pbnRlcm5hbDAKBggqhkjOPQQDAgNJADBGAiEA0NCE4u8AO3VFWstP
ZVC3aDyAhXmCRn9ul2pOzWo/oi8CIQCmIPHY4XHfj0HwtNfno3NXGQ3liW9OOSNe
j81ryOnZ8A==
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeuRAEz4dsQMkzCSZ
fKlDRXihyi/DtSrIHEgWWPap8ImhRANCAARiWSBVBFZ4zfNEb2L1Hzw8eJew4G1A
/U0DC1k45+HFh9ck413ffoxYUTmnmCoFb7eDOnrDffVmnxV8EcS997Lv
-----END PRIVATE KEY-----`,
  identity: "sha256:9dbbd646299d9132afe3dae5d235b0ebfe3edff677fe6b6572f9737b4b89dfec",
};
const other = {
  cert: `-----BEGIN CERTIFICATE-----
MIICEjCCAbigAwIBAgIQUNMajnFheDcDEYnlqqZ00TAKBggqhkjOPQQDAjAnMSUw
IwYDVQQDDBxrd2lrIHNlcnZlciAyNzg5YjcxODViNjc0MjEyMCAXDTI2MTEyMTE4
NTIwOFoYDzIxMjYxMDI4MTk1MjA4WjAnMSUwIwYDVQQDDBxrd2lrIHNlcnZlciAy
Nzg5YjcxODViNjc0MjEyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKWhnDWnq
DSemfGOrpVBy506xEa85ZVSy69q/U+OzcP4UGfRB8HeeovFvF6S9kpnY9c7HMn/7
sGLXBTYzkDJ7a6OBwzCBwDAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBQnibcYW2dC
EpVWDeM/fmP8PwEOOjAfBgNVHSMEGDAWgBQnibcYW2dCEpVWDeM/fmP8PwEOOjAT
BgNVHSUEDDAKBggrBgEFBQcDATBbBgNVHREEVDBSgglsb2NhbGhvc3SCRWU2ZTNv
Z2MzbTViYmZma3dieHJ0Njd0ZDdxN3FjZHIyb3p6dmw2NDQ2ZXlrMzJoam5rcnEu
aWQua3dpay5pbnRlcm5hbDAKBggqhkjOPQQDAgNIADBFAiEAqGJRpIKmTvj58x1y
OFJpoB9SwjZPIYeXGGMbPsjuwtwCIDN3A913dtRyuGTRWBl/Q2drhs3qr8yCqj4l
TjqfmE0d
-----END CERTIFICATE-----`,
  identity: "sha256:2789b7185b67421295560de33f7e63fc3f010e3a767355fb9cf130ade8e96aa3",
};
const byPin: DialPlan & { kind: "query-pin" } = { kind: "query-pin", acceptable: [mine.identity], ca: undefined };
const byName: DialPlan & { kind: "direct" } = { kind: "direct", ca: mine.cert, serverName: "localhost", identity: undefined };

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

/** Gives any session to anybody: what must not happen, so that only the check of the connection itself is left. */
class CarelessPlace implements SessionPlace {
  session: KeptSession | undefined;
  take(): KeptSession | undefined {
    return this.session;
  }
  put(_where: string, session: KeptSession): void {
    this.session = session;
  }
}

/** A server, a session with it that `plan` earned, and a way to dial under another plan with that session. */
async function resumable(plan: typeof byPin | typeof byName) {
  const server = createServer({ cert: mine.cert, key: mine.key, ALPNProtocols: ["kwik/1"] }, (socket) => {
    socket.on("error", () => undefined).resume();
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = new CarelessPlace();
  const dial = async (under: typeof plan, sessions: SessionPlace): Promise<string | undefined> => {
    const link = await connectTcp({
      address: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
      tls: { context: clientContext(under.ca, undefined), serverName: "localhost", plan: under, sessions },
      timeoutMs: 10_000,
      signal: undefined,
    });
    link.close(0, "");
    return link.properties.provenIdentity;
  };
  for (let i = 0; i < 200 && place.session === undefined; i += 1) {
    await dial(plan, place);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(place.session).toBeDefined();
  return { dial: (under: typeof plan) => dial(under, place), place };
}

// A server does not hear of a handshake that its client gives up at once: the client's own socket is asked.
const isSessionReused = vi.spyOn(TLSSocket.prototype, "isSessionReused");

function expectResumed(): void {
  expect(isSessionReused.mock.results.at(-1)?.value).toBe(true);
}

test("a resumed connection proves what the first one did", async () => {
  const { dial } = await resumable(byPin);
  expect(await dial(byPin)).toBe(mine.identity);
  expectResumed();
});

test("a resumed connection is checked against the pins of its own dial", async () => {
  const { dial } = await resumable(byPin);
  await expect(dial({ ...byPin, acceptable: [other.identity] })).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  expectResumed();
});

test("a resumed connection is checked against the name of its own dial", async () => {
  const { dial } = await resumable(byName);
  await expect(dial({ ...byName, serverName: "elsewhere.example" })).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  expectResumed();
});

test("a session earned by a pin does not stand for an authority", async () => {
  const { dial } = await resumable(byPin);
  await expect(dial({ ...byName, ca: other.cert })).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  expectResumed();
});

test("a resumed connection whose certificate is not known is not believed", async () => {
  const { dial, place } = await resumable(byPin);
  place.session = { ...(place.session as KeptSession), certificate: undefined as never };
  await expect(dial(byPin)).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  expectResumed();
});

test("a certificate that expires while its session lives is not believed any longer", async () => {
  const { place } = await resumable(byPin);
  const shown = { certificate: (place.session as KeptSession).certificate, chainError: undefined };
  expect(verifyServer(byPin, shown, "here", Date.now())).toBe(mine.identity);
  expect(() => verifyServer(byPin, shown, "here", Date.now() + 200 * 365 * 86_400_000)).toThrow(/expired/);
});

test("a session is given out once, for its own address and trust, and few are kept", () => {
  const sessions = new TlsSessions();
  const session = (text: string): KeptSession => ({ ticket: Buffer.from(text), certificate: undefined as never });
  const place = sessions.placeFor([byPin, "localhost", undefined]);
  place.put("a:1", session("one"));
  expect(sessions.placeFor([{ ...byPin, acceptable: [other.identity] }, "localhost", undefined]).take("a:1")).toBeUndefined();
  expect(sessions.placeFor([byPin, "localhost", "client"]).take("a:1")).toBeUndefined();
  expect(place.take("a:2")).toBeUndefined();
  expect(
    sessions
      .placeFor([{ ...byPin }, "localhost", undefined])
      .take("a:1")
      ?.ticket.toString(),
  ).toBe("one");
  expect(place.take("a:1")).toBeUndefined();
  for (let i = 0; i < 1_000; i += 1) place.put(`a:${i}`, session(String(i)));
  expect(sessions.size).toBe(500);
  expect(place.take("a:499")).toBeUndefined();
  expect(place.take("a:999")?.ticket.toString()).toBe("999");
});
