import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import type { CarrierId } from "../base/ids.ts";
import { PacketEncoder } from "../wire/packet-encoder.ts";
import { CarrierKind } from "../wire/preamble.ts";
import { type PlayedPeer, Stage } from "./played-peer.fixture.ts";

/** A server that has opened eight carriers for as many streams of its client, which are over; its client plays fair until told otherwise. */
function grown(): { stage: Stage; client: PlayedPeer; own: CarrierId } {
  const { stage, client } = Stage.server({ streamsPerCarrier: 1 });
  const own = client.open(CarrierKind.data);
  const ids = Array.from({ length: 8 }, (_, sequence) => streamIdOf(1, "client", "unidirectional", sequence));
  for (const id of ids) client.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), false));
  expect(pool(stage).ownCount).toBe(8);
  for (const id of ids) client.packet((encoder) => encoder.resetStream(id, 0, 1));
  return { stage, client, own };
}

function pool(stage: Stage) {
  const wire = stage.session.state.wires.get(0);
  if (wire === undefined) throw new Error("no path");
  return wire.pool;
}

/** Lets time pass with a client that acknowledges. */
function live(stage: Stage, client: PlayedPeer, ms: number): void {
  for (let passed = 0; passed < ms; passed += 50) {
    stage.pass(50);
    client.acknowledge();
  }
}

function retiredOnes(client: PlayedPeer): CarrierId[] {
  return client.frames("carrierRetire").map((call) => call[1] as CarrierId);
}

// spec: STREAM-8, CARRIER-6
test("carriers that are not needed are given back after five seconds, and end when the peer has answered", () => {
  const { stage, client } = grown();
  live(stage, client, 4_900);
  expect(retiredOnes(client)).toEqual([]);
  live(stage, client, 1_500);
  const retired = retiredOnes(client);
  expect([retired.length, pool(stage).ownCount, pool(stage).leavingCount]).toEqual([7, 1, 7]);
  expect(client.resets).toEqual([]);
  // What the client had under way on one of them is still taken.
  const late = streamIdOf(1, "client", "unidirectional", 8);
  client.packet((encoder) => encoder.stream(late, 0, Uint8Array.of(7), true), undefined, retired[0]);
  expect(stage.session.state.streams.get(late)?.receive?.readableBytes).toBe(1);
  for (const carrier of retired) client.retire(carrier);
  expect(client.resets).toEqual(retired);
  expect([pool(stage).ownCount, pool(stage).leavingCount, client.closed]).toEqual([1, 0, undefined]);
});

// spec: CARRIER-6
test("a carrier that the peer gives back is answered at once, carries nothing more, and its end loses nothing", () => {
  const { stage, client } = Stage.server();
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined) throw new Error("no stream");
  const [first, second] = [client.open(CarrierKind.data), client.open(CarrierKind.data)];
  stage.session.write(entry, new Uint8Array(100));
  stage.settle();
  client.retire(second);
  client.retire(first);
  expect(retiredOnes(client)).toEqual([second, first]);
  // Nothing was acknowledged, and yet the end says that all has arrived.
  for (const carrier of [first, second]) stage.session.handleCarrierClosed(stage.now, 0, carrier);
  stage.session.write(entry, new Uint8Array(100));
  stage.settle();
  expect(client.frames("streamData").map((call) => call[2])).toEqual([0, 100]);
  expect([client.closed, client.resets, pool(stage).leavingCount]).toEqual([undefined, [], 0]);
});

// spec: CARRIER-6
test("a carrier may be given back in one piece with its first bytes", () => {
  const { stage, client } = Stage.server();
  const carrier = client.carrierOfOther();
  const encoder = new PacketEncoder();
  encoder.begin(0);
  encoder.carrierRetire();
  const preamble = [0x4b, 0x57, 0x49, 0x4b, 1, 1];
  client.bytes(carrier, Uint8Array.from([...preamble, ...encoder.finish().flatMap((part) => [...part])]));
  stage.settle();
  expect(client.closed).toBeUndefined();
  expect(pool(stage).leavingCount).toBe(1);
});

// spec: CARRIER-6
test("the answer waits for the end of the packet that asks for it", () => {
  const { stage, client } = Stage.server();
  const carrier = client.open(CarrierKind.data);
  const encoder = new PacketEncoder();
  encoder.begin(0);
  encoder.carrierRetire();
  encoder.stream(streamIdOf(1, "client", "unidirectional", 0), 0, Uint8Array.of(1, 2), true);
  const whole = encoder.finish().flatMap((part) => [...part]);
  client.bytes(carrier, Uint8Array.from(whole.slice(0, -1)));
  stage.settle();
  expect(retiredOnes(client)).toEqual([]);
  client.bytes(carrier, Uint8Array.from(whole.slice(-1)));
  stage.settle();
  expect(retiredOnes(client)).toEqual([carrier]);
});

// spec: CARRIER-6
test.each<[string, (client: PlayedPeer, own: CarrierId, opened: CarrierId) => void]>([
  ["gives back a carrier that it did not open", (client, _, opened) => client.retire(opened)],
  [
    "gives the same carrier back twice",
    (client, own) => {
      client.retire(own);
      client.retire(own);
    },
  ],
  [
    "says so twice in one packet",
    (client, own) =>
      client.packet(
        (encoder) => {
          encoder.carrierRetire();
          encoder.carrierRetire();
        },
        undefined,
        own,
      ),
  ],
])("a client that %s loses its path", (_, misbehave) => {
  const { stage, client } = Stage.server();
  const own = client.open(CarrierKind.data);
  // The server's carriers are numbered by the fixture too: the control carrier has 1, its first data carrier the next number.
  const opened = stage.session.state.wires.get(0)?.pool.feedbackCarrier ?? -1;
  expect(opened).not.toBe(own);
  misbehave(client, own, opened);
  expect(client.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: CARRIER-6
test("nothing of a packet that comes after the last one of its carrier is looked at, and the path is lost", () => {
  const { stage, client } = Stage.server();
  const own = client.open(CarrierKind.data);
  const id = streamIdOf(1, "client", "unidirectional", 0);
  client.retire(own);
  client.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), false), undefined, own);
  expect(client.closed?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(stage.session.state.streams.get(id)).toBeUndefined();
});

// spec: CARRIER-6
test("carriers may come and go without end: those that are over do not count on the limit of the link", () => {
  const { stage, client } = grown();
  for (let wave = 1; wave <= 40; wave += 1) {
    const before = retiredOnes(client).length;
    live(stage, client, 6_500);
    const retired = retiredOnes(client).slice(before);
    expect(retired).toHaveLength(7);
    for (const carrier of retired) client.retire(carrier);
    const ids = Array.from({ length: 8 }, (_, index) => streamIdOf(1, "client", "unidirectional", wave * 8 + index));
    for (const id of ids) client.packet((encoder) => encoder.stream(id, 0, Uint8Array.of(1), false));
    for (const id of ids) client.packet((encoder) => encoder.resetStream(id, 0, 1));
  }
  client.open(CarrierKind.data);
  expect(client.closed).toBeUndefined();
});

// spec: CARRIER-6, CARRIER-3
test("a client that ends a carrier which it was given back, without an answer, while packets are under way, loses its path", () => {
  const { stage, client } = grown();
  live(stage, client, 6_500);
  const [carrier] = retiredOnes(client);
  const entry = stage.session.openStream(0, "unidirectional");
  if (entry === undefined || carrier === undefined) throw new Error("nothing to end");
  stage.session.write(entry, new Uint8Array(10));
  stage.settle();
  stage.session.handleCarrierClosed(stage.now, 0, carrier);
  stage.settle();
  expect(client.closed?.code).toBe(ErrorCode.LINK_LOST);
});

// spec: CARRIER-6, PATH-11
test("a client that opens carriers and gives them back without end and acknowledges nothing is answered only as often as there is room", () => {
  const { stage, client } = Stage.server({ initialInFlightBytes: 1000, maxInFlightBytes: 1000 });
  for (let count = 0; count < 2_000 && client.closed === undefined; count += 1) {
    const carrier = client.open(CarrierKind.data);
    client.retire(carrier);
    stage.session.handleCarrierClosed(stage.now, 0, carrier);
  }
  const path = stage.session.state.paths.byId(0);
  expect(retiredOnes(client).length).toBeLessThanOrEqual(1000);
  expect([...(path?.unacknowledged() ?? [])].length).toBeLessThanOrEqual(1000);
  expect(pool(stage).leavingCount).toBe(0);
});
