import fc from "fast-check";
import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import type { PathId } from "../base/ids.ts";
import { envelopeOf } from "./control-body.ts";
import { controlBodyBytes, type ReceivedEnvelope } from "./control-messages.ts";
import { EVERY_MESSAGE } from "./every-message.ts";
import { partialBody } from "./partial-body.ts";
import type { Envelope, NumberedBody } from "./control-body.ts";
import { CONTROL_WINDOW_BYTES, CONTROL_WINDOW_MESSAGES, ControlChannel, MAX_SENT_CONTROL_BYTES } from "./control-channel.ts";

const limits = { maxControlQueue: 4096 };

/** An envelope whose body this version does not know, or that has none. */
function bodiless(seq: bigint): Envelope {
  return { seq, ack: 0n, body: { case: undefined } };
}

function message(number: number): NumberedBody {
  return partialBody("rangeCancel", { requestId: number });
}

function numberOf(body: NumberedBody | undefined): number | undefined {
  return body?.case === "rangeCancel" ? body.value.requestId : undefined;
}

/** An envelope as a decoder gives it. */
function arrived(envelope: Envelope): ReceivedEnvelope {
  return { ...envelope, bodyBytes: controlBodyBytes(EVERY_MESSAGE, envelope.body) };
}

function delivered(channel: ControlChannel): number[] {
  const numbers: number[] = [];
  for (let body = channel.pollDelivered(); body !== undefined; body = channel.pollDelivered()) numbers.push(numberOf(body) as number);
  return numbers;
}

function polled(channel: ControlChannel, path: PathId): Envelope[] {
  const envelopes: Envelope[] = [];
  for (let next = channel.poll(path); next !== undefined; next = channel.poll(path)) envelopes.push(next);
  return envelopes;
}

function channelWith(count: number): ControlChannel {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  for (let number = 1; number <= count; number += 1) expect(channel.send(message(number))).toBeUndefined();
  return channel;
}

// spec: CTRL-5, CTRL-6
test("messages are numbered from 1 and carry the acknowledgement", () => {
  const channel = channelWith(2);
  expect(channel.handle(arrived(envelopeOf(message(9), 1, 0)), 5)).toBeUndefined();
  expect(delivered(channel)).toEqual([9]);
  expect(polled(channel, 0).map((envelope) => [envelope.seq, envelope.ack])).toEqual([
    [1n, 1n],
    [2n, 1n],
  ]);
  expect(channel.pollAck()).toBeUndefined();
});

// spec: CTRL-6
test("an acknowledgement that no message carried goes alone, once", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  channel.handle(arrived(envelopeOf(message(9), 1, 0)), 5);
  expect(channel.pollAck()).toBeUndefined();
  expect(delivered(channel)).toEqual([9]);
  expect(channel.ackPath).toBe(5);
  expect(channel.isAckOwed).toBe(true);
  expect(channel.pollAck()).toMatchObject({ seq: 0n, ack: 1n, body: { case: "controlAck" } });
  expect(channel.isAckOwed).toBe(false);
  expect(channel.pollAck()).toBeUndefined();
});

// spec: CTRL-5, CTRL-6
test("a repeated message is dropped and acknowledged again", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  channel.handle(arrived(envelopeOf(message(9), 1, 0)), 5);
  delivered(channel);
  channel.pollAck();
  expect(channel.handle(arrived(envelopeOf(message(9), 1, 0)), 6)).toBeUndefined();
  expect(delivered(channel)).toEqual([]);
  expect(channel.pollAck()?.ack).toBe(1n);
});

// spec: CTRL-5
test("messages that overtook others on another path wait for them", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  for (const number of [3, 2]) channel.handle(arrived(envelopeOf(message(number), number)), 1);
  expect(delivered(channel)).toEqual([]);
  expect(channel.pollAck()).toBeUndefined();
  channel.handle(arrived(envelopeOf(message(1), 1)), 2);
  expect(delivered(channel)).toEqual([1, 2, 3]);
});

// spec: CTRL-7
test("a lost path's messages go again, before new ones, and only those", () => {
  const channel = channelWith(4);
  channel.poll(0);
  channel.poll(1);
  channel.poll(0);
  expect(channel.oldestUnacknowledgedPath).toBe(0);
  channel.pathLost(0);
  expect(channel.oldestUnacknowledgedPath).toBe(1);
  expect(polled(channel, 1).map((envelope) => envelope.seq)).toEqual([1n, 3n, 4n]);
  expect(channel.hasPending).toBe(false);
});

test("a lost message whose acknowledgement came by another way is not sent again", () => {
  const channel = channelWith(3);
  polled(channel, 0);
  channel.pathLost(0);
  channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 2)), 1);
  expect(polled(channel, 1).map((envelope) => envelope.seq)).toEqual([3n]);
  expect(channel.unacknowledgedCount).toBe(1);
});

// spec: CTRL-7
test("an acknowledgement that may have been lost with its path is given again", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  channel.handle(arrived(envelopeOf(message(1), 1)), 0);
  delivered(channel);
  expect(channel.pollAck()).toBeDefined();
  channel.pathLost(3);
  expect(channel.pollAck()?.ack).toBe(1n);
});

// spec: CTRL-6
test("an old acknowledgement changes nothing", () => {
  const channel = channelWith(3);
  polled(channel, 0);
  channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 2)), 1);
  channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 1)), 0);
  expect(channel.unacknowledgedCount).toBe(1);
});

// spec: CTRL-6
test("acknowledging what was never sent is a violation", () => {
  const channel = channelWith(3);
  channel.poll(0);
  expect(channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 2)), 0)?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
});

// spec: CTRL-4
test("a message of the wrong numbering is a violation", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  const refused = [envelopeOf(message(1), 0), envelopeOf(partialBody("controlAck", {}), 1), envelopeOf(partialBody("clientHello", {}), 0)];
  for (const envelope of refused) expect(channel.handle(arrived(envelope), 0)?.code).toBe(ErrorCode.PROTOCOL_VIOLATION);
  expect(channel.handle(arrived(bodiless(0n)), 0)).toBeUndefined();
});

// spec: CTRL-16
test("an unknown message is passed over, acknowledged and counted", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  channel.handle(arrived(bodiless(1n)), 0);
  channel.handle(arrived(envelopeOf(message(2), 2)), 0);
  channel.handle(arrived(bodiless(3n)), 0);
  expect(delivered(channel)).toEqual([2]);
  expect(channel.unknownCount).toBe(2);
  expect(channel.pollAck()?.ack).toBe(3n);
});

// spec: CTRL-8
test("no more than the window is under way, and it moves with the acknowledgements", () => {
  const channel = channelWith(CONTROL_WINDOW_MESSAGES + 10);
  expect(polled(channel, 0)).toHaveLength(CONTROL_WINDOW_MESSAGES);
  expect(channel.hasPending).toBe(false);
  channel.pathLost(0);
  expect(polled(channel, 1)).toHaveLength(CONTROL_WINDOW_MESSAGES);
  channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 4)), 1);
  expect(polled(channel, 1).map((envelope) => envelope.seq)).toEqual([257n, 258n, 259n, 260n]);
});

// spec: CTRL-8
test("no more bytes than the window are under way", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  const size = MAX_SENT_CONTROL_BYTES - 100;
  for (let number = 1; number <= 9; number += 1) channel.send(partialBody("rawReply", { requestId: number, data: new Uint8Array(size) }));
  expect(polled(channel, 0)).toHaveLength(Math.floor(CONTROL_WINDOW_BYTES / size));
  expect(channel.unacknowledgedBytes).toBeGreaterThan(9 * size);
  channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 4)), 0);
  expect(polled(channel, 0)).toHaveLength(4);
});

// spec: CTRL-8
test("a peer that sends beyond the window is refused", () => {
  const channel = new ControlChannel(limits, EVERY_MESSAGE);
  expect(channel.handle(arrived(envelopeOf(message(0), CONTROL_WINDOW_MESSAGES)), 0)).toBeUndefined();
  expect(channel.handle(arrived(envelopeOf(message(0), CONTROL_WINDOW_MESSAGES + 1)), 0)?.code).toBe(ErrorCode.LIMIT_REACHED);
  const large = partialBody("rawReply", { data: new Uint8Array(CONTROL_WINDOW_BYTES / 2) });
  expect(channel.handle(arrived(envelopeOf(large, 2)), 0)).toBeUndefined();
  expect(channel.handle(arrived(envelopeOf(large, 3)), 0)?.code).toBe(ErrorCode.LIMIT_REACHED);
});

// spec: CTRL-2, CTRL-8
test("what cannot be queued is answered, and takes no number", () => {
  const channel = new ControlChannel({ maxControlQueue: 2 }, EVERY_MESSAGE);
  expect(channel.send(partialBody("rawReply", { data: new Uint8Array(MAX_SENT_CONTROL_BYTES) }))?.code).toBe(ErrorCode.TOO_LARGE);
  channel.send(message(1));
  channel.send(message(2));
  expect(channel.send(message(3))?.code).toBe(ErrorCode.LIMIT_REACHED);
  expect(polled(channel, 0).map((envelope) => envelope.seq)).toEqual([1n, 2n]);
  expect(channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 2)), 0)?.code).toBe(ErrorCode.LIMIT_REACHED);
});

test("acknowledged messages make room for others", () => {
  const channel = new ControlChannel({ maxControlQueue: 2 }, EVERY_MESSAGE);
  channel.send(message(1));
  channel.send(message(2));
  polled(channel, 0);
  expect(channel.handle(arrived(envelopeOf(partialBody("controlAck", {}), 0, 2)), 0)).toBeUndefined();
  expect(channel.unacknowledgedBytes).toBe(0);
  expect(channel.send(message(3))).toBeUndefined();
  expect(channel.poll(0)?.seq).toBe(3n);
});

/** Two ends and the paths between them. A path delivers in order until it is cut; then each end learns of it in its own time. */
class World {
  readonly ends = [new ControlChannel(limits, EVERY_MESSAGE), new ControlChannel(limits, EVERY_MESSAGE)] as const;
  readonly sent: [number[], number[]] = [[], []];
  readonly received: [number[], number[]] = [[], []];
  #paths: { id: PathId; toEnd: [Envelope[], Envelope[]] }[] = [];
  #nextPath = 0;
  readonly #unnoticed: { end: 0 | 1; path: PathId }[] = [];

  constructor() {
    for (let i = 0; i < 3; i += 1) this.#addPath();
  }

  send(end: 0 | 1): void {
    this.sent[end].push(this.sent[end].length);
    expect(this.ends[end].send(message(this.sent[end].length - 1))).toBeUndefined();
  }

  transmit(end: 0 | 1, index: number): boolean {
    const path = this.#path(index);
    const envelope = this.ends[end].poll(path.id) ?? this.ends[end].pollAck();
    if (envelope !== undefined) path.toEnd[(1 - end) as 0 | 1].push(envelope);
    return envelope !== undefined;
  }

  deliver(end: 0 | 1, index: number, twice: boolean): boolean {
    const path = this.#path(index);
    const envelope = path.toEnd[end].shift();
    if (envelope === undefined) return false;
    for (let i = 0; i < (twice ? 2 : 1); i += 1) expect(this.ends[end].handle(arrived(envelope), path.id)).toBeUndefined();
    this.received[end].push(...delivered(this.ends[end]));
    return true;
  }

  cut(index: number, noticedBy: 0 | 1): void {
    const path = this.#path(index);
    this.#paths = this.#paths.filter((other) => other !== path);
    this.ends[noticedBy].pathLost(path.id);
    this.#unnoticed.push({ end: (1 - noticedBy) as 0 | 1, path: path.id });
    this.#addPath();
  }

  notice(): void {
    const lost = this.#unnoticed.shift();
    if (lost === undefined) return;
    // Until it notices, an end goes on sending into nothing.
    this.ends[lost.end].poll(lost.path);
    this.ends[lost.end].pollAck();
    this.ends[lost.end].pathLost(lost.path);
  }

  suspect(end: 0 | 1, index: number): void {
    this.ends[end].pathLost(this.#path(index).id);
  }

  settle(): void {
    while (this.#unnoticed.length > 0) this.notice();
    for (let moved = true; moved; ) {
      moved = false;
      for (const end of [0, 1] as const) {
        for (let index = 0; index < 3; index += 1) {
          moved = this.transmit(end, index) || moved;
          moved = this.deliver(end, index, false) || moved;
        }
      }
    }
  }

  #path(index: number): { id: PathId; toEnd: [Envelope[], Envelope[]] } {
    return this.#paths[index % this.#paths.length] as { id: PathId; toEnd: [Envelope[], Envelope[]] };
  }

  #addPath(): void {
    this.#paths.push({ id: this.#nextPath, toEnd: [[], []] });
    this.#nextPath += 1;
  }
}

// spec: CTRL-5, CTRL-7
test("whatever paths lose, repeat and reorder, each message is delivered once and in order", () => {
  const step = fc.record({
    what: fc.constantFrom("send", "send", "transmit", "transmit", "transmit", "deliver", "deliver", "repeat", "cut", "notice", "suspect"),
    end: fc.constantFrom<(0 | 1)[]>(0, 1),
    path: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const world = new World();
      for (const { what, end, path } of steps) {
        if (what === "send") world.send(end);
        else if (what === "transmit") world.transmit(end, path);
        else if (what === "deliver" || what === "repeat") world.deliver(end, path, what === "repeat");
        else if (what === "cut") world.cut(path, end);
        else if (what === "notice") world.notice();
        else world.suspect(end, path);
        for (const to of [0, 1] as const) {
          expect(world.received[to]).toEqual(world.sent[(1 - to) as 0 | 1].slice(0, world.received[to].length));
        }
      }
      world.settle();
      expect(world.received).toEqual([world.sent[1], world.sent[0]]);
      for (const channel of world.ends) {
        expect(channel.unacknowledgedCount).toBe(0);
        expect(channel.unacknowledgedBytes).toBe(0);
        expect(channel.oldestUnacknowledgedPath).toBeUndefined();
      }
    }),
    { numRuns: 300 },
  );
});
