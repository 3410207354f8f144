import { ErrorCode, type Link } from "@kwik/core";
import { expect, test } from "vitest";
import { QUERY_PREAMBLE } from "./certificate-query.ts";
import { EventType } from "./engine/binding.ts";
import type { NativeServer } from "./engine/binding.ts";
import { ServerConnection } from "./engine/server-connection.ts";
import { QuicLink } from "./quic-link.ts";
import { ServerLink } from "./server-link.ts";
import { WriteTurns } from "./write-turns.ts";

const HANDLE = 7;
const METRICS = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, handshakeTimeMs: 1, rttMs: 1, cwnd: 1, pmtu: 1_200 };

/** A connection of a listener whose engine is played here. */
function accepted(engine: Partial<NativeServer> = {}) {
  const log: string[] = [];
  const native: Partial<NativeServer> = {
    streamSend: (_handle, _id, data) => ({ status: 0, written: data.length }),
    streamClose: () => true,
    closeSession: (handle, code) => log.push(`engine closes ${handle} with ${code}`) > 0,
    getSessionMetrics: () => METRICS,
    ...engine,
  };
  const connection = new ServerConnection(native as NativeServer, HANDLE);
  const properties = {
    transport: "quic",
    remoteAddress: "192.0.2.1:1",
    localAddress: "",
    provenIdentity: undefined,
    clientIdentity: undefined,
  } as const;
  const link = new QuicLink(connection, new WriteTurns(), false, properties);
  const offered: Link[] = [];
  const peer = new ServerLink(link, connection, {
    answer: new Uint8Array(1),
    web: undefined,
    onLink: (whose) => {
      offered.push(whose);
      whose.attach({
        onCarrier: (carrier) => {
          carrier.receiver = { onData: (data) => log.push(`data ${data.join(" ")}`), onEnd: () => undefined };
        },
        onDatagram: (data) => log.push(`datagram of ${data.length}`),
        onClose: () => log.push("closed"),
        onBatchEnd: () => undefined,
      });
    },
    onDecided: () => log.push("decided"),
    onRefused: (_peer, _why, reason) => log.push(`refused: ${reason}`),
    onRefusedOrigin: () => undefined,
  });
  const tell = (eventType: number, streamId: number, ...bytes: number[]): void =>
    peer.handle({ eventType, connHandle: HANDLE, streamId, data: Uint8Array.from(bytes) });
  return { peer, link, log, offered, tell };
}

test("datagrams that come before the first word are lost, not held: nobody counts them", () => {
  const { peer, log, tell } = accepted();
  for (let n = 0; n < 10_000; n += 1) tell(EventType.datagram, -1, 1, 2, 3);
  tell(EventType.stream, 0, 9, 9);
  tell(EventType.datagram, -1, 1, 2, 3, 4);
  peer.stop();
  expect(log).toEqual(["decided", "data 9 9", "datagram of 4"]);
});

test("the first word may come in as many pieces as it has bytes", () => {
  const { peer, log, tell } = accepted();
  const [first = 0, ...more] = QUERY_PREAMBLE;
  tell(EventType.stream, 0, first);
  for (const byte of more.slice(0, -1)) tell(EventType.data, 0, byte);
  expect(log).toEqual([]);
  tell(EventType.data, 0, 0x77);
  peer.stop();
  expect(log).toEqual(["decided", ...[...QUERY_PREAMBLE.subarray(0, -1), 0x77].map((byte) => `data ${byte}`)]);
});

test("a client that sends without end and says nothing is refused, told a code and counted", () => {
  const { log, link, offered, tell } = accepted();
  tell(EventType.stream, 0);
  for (let n = 0; n < 1_000; n += 1) tell(EventType.data, 0);
  expect(log).toEqual(["refused: held-bytes", `engine closes ${HANDLE} with ${ErrorCode.LIMIT_REACHED}`]);
  expect([link.isClosed, offered.length]).toEqual([true, 0]);
});

test.each([
  ["cannot say whose a connection is", undefined, [`engine closes ${HANDLE} with ${ErrorCode.INTERNAL_ERROR}`]],
  // Closed by its number another client would be, whose handshake is under way.
  ["has given its number to another client", { ...METRICS, handshakeTimeMs: 0 }, []],
])("where the engine %s, nobody is offered it and nothing of it is kept", (_, metrics, closes) => {
  const getSessionMetrics = (): typeof METRICS => {
    if (metrics === undefined) throw new Error("unknown connection");
    return metrics;
  };
  const { log, link, offered, tell } = accepted({ getSessionMetrics });
  for (let n = 0; n < 10; n += 1) tell(EventType.stream, n * 4, 9);
  expect([log, link.isClosed, offered.length]).toEqual([closes, true, 0]);
});
