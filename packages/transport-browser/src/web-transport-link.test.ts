import type { Carrier, LinkCloseInfo } from "@kwik/core";
import { ErrorCode } from "@kwik/core";
import { beforeEach, expect, test, vi } from "vitest";
import { PlayedSession, PlayedStream } from "./played-session.fixture.ts";
import { WebTransportLink } from "./web-transport-link.ts";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

let session: PlayedSession;
let link: WebTransportLink;
let log: string[];
let arrivals: Carrier[];
let closed: LinkCloseInfo | undefined;
let onData: (data: Uint8Array) => void;

beforeEach(() => {
  session = new PlayedSession();
  link = new WebTransportLink(session, {} as never);
  log = [];
  arrivals = [];
  closed = undefined;
  onData = () => undefined;
  link.attach({
    onCarrier: (carrier) => {
      arrivals.push(listen(carrier));
    },
    onDatagram: (data) => log.push(`datagram ${data.join()}`),
    onClose: (info) => {
      closed = info;
      log.push("close");
    },
    onBatchEnd: () => log.push("batch"),
  });
});

function listen(carrier: Carrier): Carrier {
  carrier.receiver = {
    onData: (data) => {
      log.push(`${carrier.id}: ${data.join()}`);
      onData(data);
    },
    onEnd: () => log.push(`${carrier.id} ended`),
  };
  return carrier;
}

async function opened(): Promise<{ readonly carrier: Carrier; readonly stream: PlayedStream }> {
  const carrier = listen(link.openCarrier() as Carrier);
  session.makeStreams();
  await turn();
  return { carrier, stream: session.opened.at(-1) as PlayedStream };
}

test("what is sent before the stream is there waits for it, and parts of one turn leave together", async () => {
  const carrier = listen(link.openCarrier() as Carrier);
  for (let i = 0; i < 20; i += 1) carrier.send([Uint8Array.of(i), new Uint8Array(0)]);
  expect(carrier.bufferedBytes).toBe(20);
  session.makeStreams();
  await turn();
  const [stream] = session.opened as [PlayedStream];
  expect(stream.written).toEqual([Uint8Array.from({ length: 20 }, (_, index) => index)]);
  expect(carrier.bufferedBytes).toBe(20);
  stream.pass();
  await turn();
  expect([carrier.bufferedBytes, link.stats().bufferedBytes]).toEqual([0, 0]);
});

test("a backlog leaves in writes of a bounded size, in order", async () => {
  const { carrier, stream } = await opened();
  const sent = Array.from({ length: 1000 }, (_, index) => new Uint8Array(1000).fill(index));
  for (const part of sent) carrier.send([part]);
  while (carrier.bufferedBytes > 0) {
    stream.pass();
    await turn();
  }
  expect(Math.max(...stream.written.map((data) => data.length))).toBeLessThanOrEqual(64 * 1024);
  expect(Buffer.concat(stream.written).equals(Buffer.concat(sent))).toBe(true);
});

test("a part that is alone is not copied", async () => {
  const { carrier, stream } = await opened();
  const part = new Uint8Array(100_000);
  carrier.send([part]);
  await turn();
  expect(stream.written[0]).toBe(part);
});

test("data of one turn is one batch", async () => {
  const { stream } = await opened();
  stream.bring(1);
  stream.bring(2);
  await turn();
  expect(log.at(-1)).toBe("batch");
  expect(log.filter((line) => line !== "batch")).toEqual(["0: 1", "0: 2"]);
});

test("carriers of the server are told, with numbers of their own", async () => {
  const stream = new PlayedStream();
  stream.bring(7);
  session.bring(stream);
  await opened();
  await turn();
  expect([arrivals.map(({ id }) => id), log.includes("1: 7")]).toEqual([[1], true]);
});

test.each(["finish", "break"] as const)("a %s of the stream ends its carrier, once, and gives the stream back", async (how) => {
  const { carrier, stream } = await opened();
  carrier.send([new Uint8Array(10)]);
  if (how === "finish") stream.finish();
  else stream.break("stream");
  await turn();
  carrier.reset(1);
  expect(log.filter((line) => line.endsWith("ended"))).toEqual(["0 ended"]);
  expect(carrier.bufferedBytes).toBe(0);
});

test("the end of the session is told by the session, with code and reason, and not by its streams", async () => {
  const { stream } = await opened();
  stream.break("session");
  session.end({ closeCode: 25, reason: "bye" });
  await turn();
  expect(log).toEqual(["close"]);
  expect(closed).toEqual({ code: 25, reason: "bye", remote: true });
});

test("a session that breaks is LINK_LOST", async () => {
  session.lose(new Error("Connection lost."));
  await turn();
  expect(closed).toEqual({ code: ErrorCode.LINK_LOST, reason: "the connection broke: Connection lost.", remote: true });
  expect([link.openCarrier(), link.sendDatagram(new Uint8Array(1)), link.maxDatagramBytes]).toEqual([undefined, false, 0]);
});

test("a close carries its code and at most 1024 bytes of its reason, cut at a character", async () => {
  link.close(77, `${"x".repeat(1023)}ü`);
  link.close(78, "again");
  expect([session.closes, closed]).toEqual([[{ closeCode: 77, reason: "x".repeat(1023) }], undefined]);
  session.end({ closeCode: 77, reason: "" });
  await turn();
  expect(closed).toMatchObject({ code: 77, remote: false });
  expect(log).toEqual(["close"]);
});

test("a reset empties the carrier and its stream is aborted, also one that is not there yet", async () => {
  const { carrier, stream } = await opened();
  carrier.send([new Uint8Array(10)]);
  carrier.reset(1);
  const early = listen(link.openCarrier() as Carrier);
  early.send([new Uint8Array(10)]);
  early.reset(1);
  session.makeStreams();
  await turn();
  expect([carrier.bufferedBytes, early.bufferedBytes]).toEqual([0, 0]);
  expect([stream, session.opened[1]].map((one) => one?.isAborted)).toEqual([true, true]);
  expect(log).toEqual([]);
});

test("what comes after a reset is read and dropped, until the server resets too", async () => {
  const { carrier, stream } = await opened();
  for (let i = 1; i < 256; i += 1) link.openCarrier();
  carrier.reset(1);
  await turn();
  stream.bring(1, 2, 3);
  await turn();
  expect([log, link.openCarrier(), stream.isCancelled]).toEqual([[], undefined, false]);
  stream.break("stream");
  await turn();
  expect([log, link.openCarrier()?.id]).toEqual([[], 1024]);
});

test("a carrier that hears of the end of the session before its link is emptied with the link", async () => {
  const { carrier, stream } = await opened();
  carrier.send([new Uint8Array(10)]);
  stream.break("session");
  await turn();
  session.end({ closeCode: 7, reason: "over" });
  await turn();
  expect([carrier.bufferedBytes, log]).toEqual([0, ["close"]]);
});

test("a server that does not answer a reset is told to stop, and its stream is given back", async () => {
  const { carrier, stream } = await opened();
  vi.useFakeTimers();
  try {
    for (let i = 1; i < 256; i += 1) link.openCarrier();
    carrier.reset(1);
    await vi.advanceTimersByTimeAsync(4_999);
    expect([stream.isCancelled, link.openCarrier()]).toEqual([false, undefined]);
    await vi.advanceTimersByTimeAsync(1);
    expect([stream.isCancelled, link.openCarrier()?.id]).toEqual([true, 1024]);
  } finally {
    vi.useRealTimers();
  }
});

test("at most 256 carriers are open, those that the browser has not made or given back included", async () => {
  const carriers = Array.from({ length: 256 }, () => link.openCarrier());
  expect([carriers.includes(undefined), link.openCarrier()]).toEqual([false, undefined]);
  carriers[0]?.reset(0);
  expect(link.openCarrier()).toBeUndefined();
  session.makeStreams();
  await turn();
  session.opened[0]?.break("stream");
  await turn();
  expect(link.openCarrier()?.id).toBe(1024);
});

test("datagrams are refused when too large, or when too many wait", () => {
  expect(link.sendDatagram(new Uint8Array(1001))).toBe(false);
  let taken = 0;
  while (link.sendDatagram(new Uint8Array(1000))) taken += 1;
  expect([taken, session.datagrams.incomingHighWaterMark]).toEqual([128, 128]);
});

test("a receiver that throws ends its link", async () => {
  const { stream } = await opened();
  onData = () => {
    throw new Error("a fault");
  };
  stream.bring(1);
  await turn();
  expect(session.closes).toEqual([{ closeCode: ErrorCode.INTERNAL_ERROR, reason: "a fault" }]);
  expect(closed).toMatchObject({ code: ErrorCode.INTERNAL_ERROR, remote: false });
});
