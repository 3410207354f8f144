import { expect, test } from "vitest";
import { Stage } from "./played-peer.fixture.ts";

const KiB = 1024;

// spec: ACK-2
test("an acknowledgement travels with an answer, before it would be due by itself", () => {
  const { stage, client } = Stage.server();
  stage.pass(50);
  const packets = client.packets.length;
  const number = client.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  // Nothing is due yet: one packet, and no answer.
  expect(client.packets).toHaveLength(packets);
  const entry = stage.session.pollIncomingStream();
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, Uint8Array.of(2));
  stage.settle();
  expect(client.packets).toHaveLength(packets + 1);
  expect(client.frames("ack").at(-1)?.[1]).toMatchObject({ largest: number });
  expect(client.frames("streamData").at(-1)?.slice(1, 3)).toEqual([4, 0]);
  // It is said, so it is not said again.
  const acks = client.frames("ack").length;
  stage.pass(50);
  expect(client.frames("ack")).toHaveLength(acks);
});

// spec: ACK-2
test("an acknowledgement that is due leaves by itself when there is nothing to answer, or no credit for it", () => {
  const { stage, client } = Stage.server();
  client.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  const entry = stage.session.pollIncomingStream();
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(1_000_000));
  stage.settle();
  client.acknowledge();
  // The stream's credit is used up: more is written, and cannot leave.
  stage.session.write(entry, new Uint8Array(1000));
  stage.pass(50);
  const number = client.packet((encoder) => encoder.stream(8, 0, Uint8Array.of(1), false));
  stage.pass(50);
  expect(client.frames("ack").at(-1)?.[1]).toMatchObject({ largest: number });
});

// spec: ACK-2
test("while much is under way acknowledgements do not wait behind it", () => {
  const { stage, client } = Stage.server();
  client.packet((encoder) => encoder.stream(4, 0, Uint8Array.of(1), false));
  const entry = stage.session.pollIncomingStream();
  if (entry === undefined) throw new Error("no stream");
  stage.session.write(entry, new Uint8Array(64 * KiB));
  stage.settle();
  const quiet = client.packets.filter((packet) => !packet.isAckEliciting).length;
  // Two packets make an acknowledgement due at once.
  client.packet((encoder) => encoder.stream(8, 0, Uint8Array.of(1), false));
  stage.session.write(entry, new Uint8Array(16 * KiB));
  client.packet((encoder) => encoder.stream(8, 1, Uint8Array.of(1), false));
  expect(client.packets.filter((packet) => !packet.isAckEliciting).length).toBeGreaterThan(quiet);
});
