import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ErrorCode, parseAddress } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { Http3Stream } from "@kwik/transport-webtransport";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { LinkPeers } from "../compliance/link-peers.ts";
import type { Served } from "../compliance/link-peers.ts";
import { selfSigned } from "../compliance/tls-material.ts";
import { until } from "../compliance/until.ts";
import { missingPrograms } from "../debian/programs.ts";
import { CLIENT_SETTINGS, connectHttp3, fieldSection, record, SESSION_FIELDS } from "./http3-client.ts";
import type { QuicConnection } from "./http3-client.ts";

// Clients that are no browser, over real QUIC: another HTTP/3 stack, and hostile ones.

const INSTALL_MS = 600_000;
const tls = await selfSigned();
const run = promisify(execFile);
let missing: string | undefined;
const peers = new LinkPeers(quicTransport);
let server: Served;

beforeAll(() => {
  missing = missingPrograms({ "/usr/bin/gtlsclient": "ngtcp2-client" });
}, INSTALL_MS);

beforeEach(async () => {
  server = await peers.serve(tls, {}, { web: {} });
});

afterEach(() => peers.close());

/** What a client of another stack prints about a request. */
async function ask(method: string, path: string): Promise<string> {
  const url = `https://localhost:${server.port}${path}`;
  const args = ["--exit-on-all-streams-close", "-m", method, "127.0.0.1", String(server.port), url];
  const { stderr } = await run("gtlsclient", args, { timeout: 10_000 });
  return stderr;
}

interface Attempt {
  readonly quic: QuicConnection;
  closed: { readonly code: number } | undefined;
}

/** Connects and says nothing. */
async function attempt(port = server.port): Promise<Attempt> {
  const quic = await connectHttp3({ address: { host: "127.0.0.1", port } });
  const made: Attempt = { quic, closed: undefined };
  quic.attach({
    onCarrier: (stream: Http3Stream) => void (stream.receiver = { onData: () => undefined, onEnd: () => undefined }),
    onDatagram: () => undefined,
    onClose: (info) => void (made.closed = info),
    onBatchEnd: () => undefined,
  });
  return made;
}

/** A session of a well-behaved client works, and no other was opened. */
async function expectServing(): Promise<void> {
  const known = server.links.length;
  const { quic } = await attempt();
  quic.openUnidirectional()?.send([Uint8Array.of(0, ...CLIENT_SETTINGS)]);
  quic.openCarrier()?.send([Uint8Array.from(record(1, fieldSection(SESSION_FIELDS)))]);
  await until(() => server.links.length === known + 1);
  const carrier = quic.openCarrier();
  let echo = "";
  if (carrier !== undefined) carrier.receiver = { onData: (data) => void (echo += Buffer.from(data).toString()), onEnd: () => undefined };
  carrier?.send([Uint8Array.of(0x40, 0x41, 0), Buffer.from("still here")]);
  await until(() => echo === "still here");
  quic.close(0x100, "");
}

test("another HTTP/3 client gets short answers", async (context) => {
  if (missing !== undefined) context.skip(missing);
  const elsewhere = await ask("GET", "/");
  expect(elsewhere).toContain("[:status: 404]");
  expect(elsewhere).toContain("body 74 bytes");
  expect(await ask("GET", "/kwik")).toContain("[:status: 405]");
  expect(await ask("POST", "/kwik")).toContain("[allow: CONNECT]");
  expect(server.links).toEqual([]);
  await expectServing();
});

test("a connection that says nothing, or only half, ends in its time", async () => {
  const silent = await attempt();
  const half = await attempt();
  half.quic.openUnidirectional()?.send([Uint8Array.of(0, 0x04)]);
  const slow = await attempt();
  const request = slow.quic.openCarrier();
  const bytes = record(1, fieldSection(SESSION_FIELDS));
  let sent = 0;
  const timer = setInterval(() => request?.send([Uint8Array.of(bytes[sent++] ?? 0)]), 250);
  await until(() => silent.closed !== undefined && half.closed !== undefined && slow.closed !== undefined);
  clearInterval(timer);
  expect([silent.closed?.code, half.closed?.code, slow.closed?.code]).toEqual([ErrorCode.TIMEOUT, 0x100, 0x100]);
  expect(server.links).toEqual([]);
});

test("broken rules end the connection with their code, and nobody else's", async () => {
  const cases: readonly (readonly [code: number, control: readonly number[], request: readonly number[]])[] = [
    [0x10a, [0, 0x0d, 1, 0], []],
    [0x107, [0, 0x04, 0x80, 1, 0, 0], []],
    [0x105, [0, ...CLIENT_SETTINGS], [0x00, 3, 1, 2, 3]],
    [0x200, [0, ...CLIENT_SETTINGS], [0x01, 3, 0, 0, 0x80]],
  ];
  for (const [code, control, request] of cases) {
    const bad = await attempt();
    bad.quic.openUnidirectional()?.send([Uint8Array.from(control)]);
    if (request.length > 0) bad.quic.openCarrier()?.send([Uint8Array.from(request)]);
    await until(() => bad.closed !== undefined);
    expect(bad.closed?.code).toBe(code);
  }
  await expectServing();
});

test("megabytes of nothing on every kind of stream harm nobody", async () => {
  const bad = await attempt();
  const block = new Uint8Array(1_000_000).fill(0x21);
  bad.quic.openUnidirectional()?.send([Uint8Array.of(0, ...CLIENT_SETTINGS, 0x21, 0xc0, 0, 1, 0, 0, 0, 0, 0)]);
  const streams = [bad.quic.openUnidirectional(), bad.quic.openUnidirectional(), bad.quic.openCarrier(), bad.quic.openCarrier()];
  for (let i = 0; i < 8; i += 1) for (const stream of streams) stream?.send([block]);
  await expectServing();
  bad.quic.close(0x100, "");
});

test("connections that ask for no session are undecided: of too many the oldest goes", async () => {
  const refusals: string[] = [];
  const listener = await quicTransport().listen({
    address: { host: "127.0.0.1", port: 0 },
    tls,
    web: {},
    limits: { maxConnections: 100, maxHandshakes: 2, handshakeTimeoutMs: 60_000 },
    onLink: () => {
      throw new Error("nobody asked for a session");
    },
    onRefused: (_remote, reason) => refusals.push(reason),
  });
  peers.keep(listener);
  const made: Attempt[] = [];
  for (let i = 0; i < 4; i += 1) {
    const each = await attempt(parseAddress(listener.address).port);
    (each.quic.openUnidirectional() as Http3Stream).send([Uint8Array.of(0, ...CLIENT_SETTINGS)]);
    made.push(each);
  }
  await until(() => made[0]?.closed !== undefined && made[1]?.closed !== undefined);
  expect(made.map(({ closed }) => closed === undefined)).toEqual([false, false, true, true]);
  expect(refusals).toEqual(["connections", "connections"]);
});
