import { type Carrier, type Link, type LinkCloseInfo, webRules } from "@kwik/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakePort } from "./fake-port.fixture.ts";
import type { FakeStream } from "./fake-port.fixture.ts";
import { Http3Connection } from "./http3-connection.ts";
import { decodeFieldSection, encodeFieldSection } from "./qpack/field-section.ts";
import { encodeRecord } from "./record-reader.ts";
import { encodeVarint } from "./varint.ts";

const SETTINGS = [0x00, ...encodeRecord(0x04, Uint8Array.of(0x33, 1, ...encodeVarint(0x2b603742), 1))];

const SESSION = {
  ":method": "CONNECT",
  ":protocol": "webtransport",
  ":scheme": "https",
  ":authority": "server.example:4433",
  ":path": "/kwik",
  origin: "https://server.example",
};

interface Served {
  readonly port: FakePort;
  readonly connection: Http3Connection;
  readonly links: Link[];
  readonly carriers: Carrier[];
  readonly log: string[];
  readonly closes: LinkCloseInfo[];
  readonly refusedOrigins: string[];
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

function serve(allowOrigin?: (origin: string) => boolean): Served {
  const port = new FakePort();
  const served = {
    port,
    links: [] as Link[],
    carriers: [] as Carrier[],
    log: [] as string[],
    closes: [] as LinkCloseInfo[],
    refusedOrigins: [] as string[],
  };
  const connection = new Http3Connection(port, {
    ...webRules(allowOrigin === undefined ? {} : { allowOrigin }),
    onRefusedOrigin: (origin) => served.refusedOrigins.push(origin),
    onLink: (link) => {
      served.links.push(link);
      link.attach({
        onCarrier: (carrier) => {
          served.carriers.push(carrier);
          carrier.receiver = {
            onData: (data) => served.log.push(`data ${carrier.id} ${Buffer.from(data).toString()}`),
            onEnd: () => served.log.push(`end ${carrier.id}`),
          };
        },
        onDatagram: (data) => served.log.push(`datagram ${Buffer.from(data).toString()}`),
        onClose: (info) => served.closes.push(info),
        onBatchEnd: () => served.log.push("batch"),
      });
    },
  });
  return { ...served, connection };
}

function headers(fields: Readonly<Record<string, string>>): Uint8Array {
  return encodeRecord(0x01, encodeFieldSection(Object.entries(fields)));
}

function openSession(served: Served, fields: Readonly<Record<string, string>> = SESSION): FakeStream {
  served.port.receive(2, SETTINGS);
  return served.port.receive(0, headers(fields));
}

/** The status of the answer on a stream. */
function statusOf(stream: FakeStream): string | undefined {
  const [, length = 0, ...rest] = stream.sent;
  return new Map(decodeFieldSection(Uint8Array.from(rest.slice(0, length)), 1_000)).get(":status");
}

test("SETTINGS open the control stream, before anything is asked", () => {
  const { port } = serve();
  expect(port.stream(3).sent.slice(0, 2)).toEqual([0x00, 0x04]);
  expect(port.stream(3).sent).toEqual(expect.arrayContaining([0x08, 0x33]));
});

test("an extended CONNECT becomes a link with the port's addresses", () => {
  const served = serve();
  const stream = openSession(served);
  expect(statusOf(stream)).toBe("200");
  expect(stream.isFinished).toBe(false);
  expect(served.links[0]?.properties).toMatchObject({ transport: "webtransport", remoteAddress: "192.0.2.1:1" });
  expect(served.links[0]?.capabilities).toMatchObject({ streams: true, datagrams: true, encrypted: true, earlyData: false });
});

test("a request that overtakes the settings is answered when they come, with the capsules sent behind it", () => {
  const served = serve();
  const stream = served.port.receive(0, headers(SESSION));
  served.port.receive(0, encodeRecord(0x00, Uint8Array.of(0x68, 0x43, 5, 0, 0, 0, 9, 0x78)));
  expect(stream.sent).toEqual([]);
  served.port.receive(2, SETTINGS);
  expect(statusOf(stream)).toBe("200");
  // What was sent early closes the session at once: nobody is given it.
  expect(served.links).toHaveLength(0);
});

test("carriers of both sides, cut anywhere, and their ends", () => {
  const served = serve();
  openSession(served);
  for (const byte of [0x40, 0x41, 0x00, 0x68, 0x69]) served.port.receive(4, [byte]);
  expect(served.carriers[0]?.id).toBe(4);
  expect(served.log).toEqual(["data 4 h", "data 4 i"]);
  served.carriers[0]?.send([Uint8Array.of(7)]);
  expect(served.port.stream(4).sent).toEqual([7]);
  served.port.receive(4, [], true);
  expect(served.log.at(-1)).toBe("end 4");
  expect(served.port.stream(4).isFinished).toBe(false);
  expect(served.port.stream(4).resetCode).toBeDefined();

  const own = served.links[0]?.openCarrier();
  expect(served.port.stream(1).sent).toEqual([]);
  own?.send([Uint8Array.of(), Uint8Array.of(1)]);
  own?.send([Uint8Array.of(2)]);
  expect(served.port.stream(1).sent).toEqual([0x40, 0x41, 0, 1, 2]);
  expect(own?.id).toBe(1);
});

test("a carrier that is reset from inside its opening gets none of its first bytes", () => {
  const served = serve();
  openSession(served);
  const push = served.carriers.push.bind(served.carriers);
  served.carriers.push = (carrier) => {
    carrier.reset(1);
    return push(carrier);
  };
  served.port.receive(4, [0x40, 0x41, 0x00, 0x68]);
  expect(served.log).toEqual([]);
});

test("datagrams carry the session's number; others are dropped", () => {
  const served = serve();
  openSession(served);
  served.port.receiver?.onDatagram(Uint8Array.of(0, 0x68, 0x69));
  served.port.receiver?.onDatagram(Uint8Array.of(1, 0x6a));
  expect(served.log).toEqual(["datagram hi"]);
  expect(served.links[0]?.maxDatagramBytes).toBe(999);
  expect(served.links[0]?.sendDatagram(Uint8Array.of(5))).toBe(true);
  expect(served.port.datagrams).toEqual([[0, 5]]);
  served.port.receiver?.onDatagram(Uint8Array.of());
  expect(served.port.closed?.code).toBe(0x33);
});

test("a close capsule in pieces reaches the receiver, and the connection follows", () => {
  const served = serve();
  openSession(served);
  const capsule = encodeRecord(0x2843, Uint8Array.of(0xff, 0, 0, 1, ...Buffer.from("größer")));
  for (const byte of capsule) served.port.receive(0, encodeRecord(0x00, Uint8Array.of(byte)));
  expect(served.closes).toEqual([{ code: 0xff000001, reason: "größer", remote: true }]);
  served.port.receive(0, [], true);
  vi.advanceTimersByTime(2_000);
  expect(served.port.closed?.code).toBe(0x100);
  served.port.receiver?.onClose({ code: 0x100, reason: "", remote: false });
  expect(served.closes).toHaveLength(1);
});

test("a session's stream that just ends closes it with code 0", () => {
  const served = serve();
  openSession(served);
  served.port.receive(0, [], true);
  expect(served.closes).toEqual([{ code: 0, reason: "", remote: true }]);
});

test("a close of this side is said in a capsule, and the connection waits until it was heard", async () => {
  const served = serve();
  const stream = openSession(served);
  served.links[0]?.close(5, "x".repeat(2_000));
  const sent = stream.text.slice(stream.text.indexOf("\x68\x43"));
  expect(stream.isFinished).toBe(true);
  expect(sent).toHaveLength(2 + 2 + 4 + 1_024);
  expect(served.port.closed).toBeUndefined();
  expect(served.links[0]?.openCarrier()).toBeUndefined();
  await new Promise((resolve) => setImmediate(resolve));
  expect(served.closes).toMatchObject([{ code: 5, remote: false }]);
  served.port.receive(0, [], true);
  vi.advanceTimersByTime(100);
  expect(served.port.closed?.code).toBe(0x100);
});

test("a client that does not hear a close is not waited for", () => {
  const served = serve();
  openSession(served);
  served.links[0]?.close(5, "");
  vi.advanceTimersByTime(999);
  expect(served.port.closed).toBeUndefined();
  vi.advanceTimersByTime(1);
  expect(served.port.closed).toBeDefined();
});

test("the end of the connection ends the link", () => {
  const served = serve();
  openSession(served);
  served.port.receiver?.onClose({ code: 20, reason: "lost", remote: false });
  expect(served.closes).toEqual([{ code: 20, reason: "lost", remote: false }]);
});

test("the server keeps so few carriers open that Chromium's limit is never passed", () => {
  const served = serve();
  openSession(served);
  const opened: Carrier[] = [];
  for (let carrier = served.links[0]?.openCarrier(); carrier !== undefined; carrier = served.links[0]?.openCarrier()) opened.push(carrier);
  expect(opened).toHaveLength(48);
  opened[0]?.reset(1);
  opened[0]?.reset(1);
  expect(served.links[0]?.openCarrier()).toBeDefined();
  expect(served.links[0]?.openCarrier()).toBeUndefined();
});

test("requests that are no session get short answers", () => {
  const get = { ":method": "GET", ":scheme": "https", ":authority": "a", ":path": "/" };
  const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ["404", get],
    ["405", { ...get, ":path": "/kwik?x" }],
    ["404", { ...SESSION, ":path": "/other" }],
    ["501", { ...SESSION, ":protocol": "websocket" }],
    ["501", { ":method": "CONNECT", ":authority": "a:1" }],
    ["400", { ...SESSION, ":scheme": "http" }],
    ["400", { ...get, upgrade: "h2c" }],
    ["400", { ...get, Upper: "case" }],
    ["400", { ...get, ":unknown": "x" }],
    ["400", { ":method": "GET", ":path": "/" }],
    ["400", { "x-first": "1", ...get }],
    ["400", { ...SESSION, origin: "https://a\u001b[2J" }],
    ["403", { ...SESSION, origin: "https://elsewhere.example" }],
    ["403", { ...SESSION, origin: "null" }],
  ];
  for (const [status, fields] of cases) {
    const served = serve();
    const stream = openSession(served, fields);
    expect(statusOf(stream), JSON.stringify(fields)).toBe(status);
    expect(stream.isFinished).toBe(true);
    expect(stream.text).toMatch(/\n$/);
    expect(served.links).toHaveLength(0);
    expect(served.port.closed).toBeUndefined();
  }
  const served = serve();
  const head = openSession(served, { ...get, ":method": "HEAD" });
  expect(statusOf(head)).toBe("404");
  expect(head.text).not.toMatch(/kwik/);
});

test("the origin is the option's to judge, and only browsers send one", () => {
  const asked: string[] = [];
  const served = serve((origin) => asked.push(origin) > 0);
  expect(statusOf(openSession(served, { ...SESSION, origin: "https://elsewhere.example" }))).toBe("200");
  expect(asked).toEqual(["https://elsewhere.example"]);
  const { origin: _origin, ...plain } = SESSION;
  expect(
    statusOf(
      openSession(
        serve(() => false),
        plain,
      ),
    ),
  ).toBe("200");
});

test("an origin that was refused is told in characters that no terminal obeys", () => {
  const served = serve();
  expect(statusOf(openSession(served, { ...SESSION, origin: "https://a\u009b2J b" }))).toBe("403");
  expect(served.refusedOrigins).toEqual(["https://a?2J?b"]);
});

test("a second session on a connection is rejected, and the first goes on", () => {
  const served = serve();
  openSession(served);
  expect(served.port.receive(4, headers(SESSION)).resetCode).toBe(0x10b);
  expect(served.links).toHaveLength(1);
  expect(served.port.closed).toBeUndefined();
});

test("a connection without a session ends in its time, one with a session does not", () => {
  const idle = serve();
  idle.port.receive(2, SETTINGS);
  const used = serve();
  openSession(used);
  vi.advanceTimersByTime(5_000);
  expect(idle.port.closed?.code).toBe(0x100);
  expect(used.port.closed).toBeUndefined();
});
