import type { Carrier, LinkCloseInfo } from "@kwik/core";
import { expect, test } from "vitest";
import { EventType } from "./engine/binding.ts";
import type { NativeEvent } from "./engine/binding.ts";
import type { EngineConnection } from "./engine/connection.ts";
import { QuicLink } from "./quic-link.ts";
import { WriteTurns } from "./write-turns.ts";

/** An engine that takes what `room` allows. */
class FakeEngine implements EngineConnection {
  room = Number.POSITIVE_INFINITY;
  sent: { id: number; bytes: number[] }[] = [];
  resets: number[] = [];
  closes: number[] = [];
  #nextId = -4;

  openStream(): number {
    this.#nextId += 4;
    return this.#nextId;
  }

  send(id: number, data: Uint8Array): number {
    const taken = Math.min(this.room, data.length);
    this.room -= taken;
    if (taken > 0) this.sent.push({ id, bytes: [...data.subarray(0, taken)] });
    return taken;
  }

  resetStream(id: number): void {
    this.resets.push(id);
  }

  sendDatagram(): boolean {
    return true;
  }

  metrics(): undefined {
    return undefined;
  }

  close(code: number): void {
    this.closes.push(code);
  }
}

function setUp(): { link: QuicLink; engine: FakeEngine; turns: WriteTurns; log: string[]; carriers: Carrier[]; closes: LinkCloseInfo[] } {
  const engine = new FakeEngine();
  const turns = new WriteTurns();
  const properties = {
    transport: "quic",
    remoteAddress: "",
    localAddress: undefined,
    provenIdentity: undefined,
    clientIdentity: undefined,
  };
  const link = new QuicLink(engine, turns, true, properties);
  const log: string[] = [];
  const carriers: Carrier[] = [];
  const closes: LinkCloseInfo[] = [];
  link.attach({
    onCarrier: (carrier) => {
      carriers.push(carrier);
      log.push(`carrier ${carrier.id}`);
      carrier.receiver = { onData: (data) => log.push(`data ${carrier.id} ${data.length}`), onEnd: () => log.push(`end ${carrier.id}`) };
    },
    onDatagram: () => undefined,
    onClose: (info) => closes.push(info),
    onBatchEnd: () => undefined,
  });
  return { link, engine, turns, log, carriers, closes };
}

function event(eventType: number, streamId: number, more: Partial<NativeEvent> = {}): NativeEvent {
  return { eventType, connHandle: 0, streamId, ...more };
}

const bytes = (length: number): Uint8Array => new Uint8Array(length);

test("data of a stream that was reset is dropped, and a repeated opening does not bring it back", () => {
  const { link, engine, log, carriers } = setUp();
  link.handle(event(EventType.stream, 1, { data: bytes(3) }));
  carriers[0]?.reset(7);
  link.handle(event(EventType.data, 1, { data: bytes(3) }));
  link.handle(event(EventType.stream, 1, { data: bytes(3) }));
  expect(log).toEqual(["carrier 1", "data 1 3"]);
  expect(engine.resets).toEqual([1]);
});

test("every error of a stream closes it in the engine, also of one that is long forgotten", () => {
  const { link, engine, log } = setUp();
  link.handle(event(EventType.stream, 1, { data: bytes(3) }));
  link.handle(event(EventType.error, 1));
  link.handle(event(EventType.error, 1));
  link.handle(event(EventType.error, 400));
  link.handle(event(EventType.error, -1));
  expect(log).toEqual(["carrier 1", "data 1 3", "end 1"]);
  expect(engine.resets).toEqual([1, 1, 400]);
});

test("unidirectional streams and streams of this side's own numbering are no carriers", () => {
  const { link, log } = setUp();
  for (const id of [0, 2, 3, 4]) link.handle(event(EventType.stream, id, { data: bytes(1) }));
  expect(log).toEqual([]);
});

test("what the engine refuses waits, in order, for the turn", () => {
  const { link, engine, turns } = setUp();
  const carrier = link.openCarrier();
  engine.room = 3;
  carrier?.send([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]);
  carrier?.send([Uint8Array.of(5)]);
  expect(carrier?.bufferedBytes).toBe(2);
  engine.room = 1;
  turns.run();
  expect(carrier?.bufferedBytes).toBe(1);
  engine.room = 10;
  turns.run();
  expect(carrier?.bufferedBytes).toBe(0);
  expect(engine.sent.flatMap((each) => each.bytes)).toEqual([1, 2, 3, 4, 5]);
});

test("a blocked carrier sends nothing until it drains", () => {
  const { link, engine } = setUp();
  const carrier = link.openCarrier();
  link.handle(event(EventType.blocked, 0));
  carrier?.send([Uint8Array.of(1)]);
  expect(engine.sent).toEqual([]);
  link.handle(event(EventType.drain, 0));
  expect(engine.sent).toEqual([{ id: 0, bytes: [1] }]);
});

test("small parts leave in one call, large ones as they are", () => {
  const { link, engine } = setUp();
  const carrier = link.openCarrier();
  carrier?.send([bytes(10), bytes(20), bytes(0), bytes(5_000), bytes(30), bytes(40)]);
  expect(engine.sent.map((each) => each.bytes.length)).toEqual([30, 5_000, 70]);
});

test("carriers take turns at a write budget that comes back in small pieces", () => {
  const { link, engine, turns } = setUp();
  const first = link.openCarrier();
  const second = link.openCarrier();
  engine.room = 0;
  first?.send([bytes(1_000_000), bytes(1_000_000)]);
  second?.send([bytes(100_000)]);
  engine.room = 1_200_000;
  turns.run();
  expect(second?.bufferedBytes).toBe(0);
});

test("the engine's idle timeout is a lost link, not a clean close by the peer", () => {
  const { link, closes } = setUp();
  link.handle(event(EventType.close, -1, { meta: { errorCode: 0, errorReason: "idle timeout" } }));
  expect(closes).toMatchObject([{ code: 0x14, remote: false }]);
});

test("nothing is delivered after a close, and the close is told once, later", async () => {
  const { link, engine, log, closes } = setUp();
  link.close(5, "bye");
  link.close(6, "again");
  expect(closes).toEqual([]);
  link.handle(event(EventType.stream, 1, { data: bytes(1) }));
  link.handle(event(EventType.close, -1, { meta: { errorCode: 5, errorReason: "bye" } }));
  await new Promise((resolve) => setImmediate(resolve));
  expect(closes).toEqual([{ code: 5, reason: "bye", remote: false }]);
  expect(log).toEqual([]);
  expect(engine.closes).toEqual([5]);
});
