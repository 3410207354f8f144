import fc from "fast-check";
import { expect, test } from "vitest";
import type { MemberId } from "../base/ids.ts";
import { SeededRng } from "../base/rng.ts";
import { ReceiveStream } from "./receive-stream.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendCredit } from "./send-credit.ts";
import { SendStream, type StreamSegment } from "./send-stream.ts";

const HOME: MemberId = 1;
const OTHER: MemberId = 2;
const STREAM_WINDOW = 700;
const SESSION_WINDOW = 900;

interface InFlight {
  readonly member: MemberId;
  readonly segment: StreamSegment;
  isDelivered: boolean;
  isLost: boolean;
}

/** One member's connection: credit as its sender and as the receiver see it. */
class Connection {
  readonly credit = new SendCredit(SESSION_WINDOW);
  readonly window = new ReceiveWindow(SESSION_WINDOW, SESSION_WINDOW);
  received = 0;
  released = 0;
}

type Part = { readonly kind: "home" | "contribution" | "both" | "content"; readonly length: number };

/** A home and a contributor send one stream over a channel that reorders, repeats and loses. */
class Transfer {
  readonly rng: SeededRng;
  readonly total: number;
  readonly receive: ReceiveStream;
  readonly window = new ReceiveWindow(STREAM_WINDOW, STREAM_WINDOW);
  readonly home = new SendStream(4, { maxOffset: STREAM_WINDOW });
  readonly other = new SendStream(4, { maxOffset: STREAM_WINDOW, startOffset: 0 });
  readonly connections = new Map([
    [HOME, new Connection()],
    [OTHER, new Connection()],
  ]);
  readonly contents: { offset: number; length: number }[] = [];
  readBytes = 0;
  readonly #parts: Part[];
  /** Content needs no credit. */
  readonly #contentBytes: number;
  #inFlight: InFlight[] = [];
  #resets: { code: number; finalSize: number }[] = [];
  #now = 0;
  #offset = 0;

  constructor(seed: number, parts: Part[]) {
    this.rng = new SeededRng(seed);
    this.#parts = [...parts];
    this.total = parts.reduce((sum, part) => sum + part.length, 0);
    this.receive = new ReceiveStream(4, { home: HOME, window: this.window });
    let offset = 0;
    for (const part of parts) {
      if (part.kind === "content") {
        this.contents.push({ offset, length: part.length });
        expect(this.receive.reserveContent(offset, part.length)).toBeUndefined();
      }
      offset += part.length;
    }
    this.#contentBytes = this.contents.reduce((sum, content) => sum + content.length, 0);
  }

  get isWritten(): boolean {
    return this.#parts.length === 0;
  }

  below(limit: number): number {
    return Math.floor(this.rng.next() * limit);
  }

  writeNext(): void {
    const part = this.#parts.shift();
    if (part === undefined) return;
    const data = streamBytes(this.#offset, part.length);
    this.#offset += part.length;
    if (part.kind === "home" || part.kind === "both") this.home.write(data);
    else this.home.skip(part.length);
    if (part.kind === "contribution" || part.kind === "both") this.other.write(data);
    else this.other.skip(part.length);
    if (this.#parts.length > 0) return;
    this.home.finish();
    this.other.finish();
  }

  send(member: MemberId, maxBytes: number): boolean {
    const stream = member === HOME ? this.home : this.other;
    const { credit } = this.connections.get(member) as Connection;
    const segment = stream.take(maxBytes, credit.available);
    if (segment === undefined) {
      if (stream.isReady && credit.available > STREAM_WINDOW) throw new Error("ready, with credit, but nothing to take");
      return false;
    }
    credit.use(segment.newBytes);
    expect(segment.data.length).toBeLessThanOrEqual(maxBytes);
    expect(segment.offset + segment.data.length).toBeLessThanOrEqual(stream.maxOffset);
    this.#inFlight.push({ member, segment, isDelivered: false, isLost: false });
    return true;
  }

  deliver(): void {
    const packet = this.#pick();
    if (packet === undefined || packet.isLost) return;
    packet.isDelivered = true;
    const { offset, data, fin } = packet.segment;
    this.#count(packet.member, this.receive.handleData(packet.member, offset, data, fin));
    expect(this.receive.bufferedBytes).toBeLessThanOrEqual(this.window.limit - this.receive.readOffset + this.#contentBytes);
  }

  lose(): void {
    const packet = this.#pick();
    if (packet === undefined) return;
    packet.isLost = !packet.isDelivered;
    this.#stream(packet).markLost(packet.segment.offset, packet.segment.data.length, packet.segment.fin);
  }

  acknowledge(): void {
    const packet = this.#pick();
    if (packet?.isDelivered !== true) return;
    if (this.below(4) > 0) this.#inFlight = this.#inFlight.filter((other) => other !== packet);
    this.#stream(packet).markAcked(packet.segment.offset, packet.segment.data.length, packet.segment.fin);
  }

  deliverContent(): void {
    const block = this.contents.shift();
    if (block !== undefined) this.receive.deliverContent(block.offset, streamBytes(block.offset, block.length));
  }

  readSome(): void {
    const data = this.receive.read();
    if (data !== undefined) {
      for (const byte of data) {
        if (byte !== byteAt(this.readBytes)) throw new Error(`wrong byte at ${this.readBytes}`);
        this.readBytes += 1;
      }
      this.window.consumed(data.length, this.#now, 10);
    }
    this.settle();
  }

  settle(): void {
    this.#now += 1;
    const limit = this.window.pollUpdate();
    if (limit !== undefined) {
      this.home.handleMaxOffset(limit);
      this.other.handleMaxOffset(limit);
    }
    this.receive.takeReleased((member, bytes) => {
      const connection = this.connections.get(member) as Connection;
      connection.released += bytes;
      connection.window.consumed(bytes, this.#now, 10);
      const sum = connection.window.pollUpdate();
      if (sum !== undefined) connection.credit.raise(sum);
    });
  }

  reset(): void {
    const reset = this.home.takeReset();
    if (reset !== undefined) this.#resets.push(reset);
    const arrived = this.#resets[this.below(this.#resets.length)];
    if (arrived !== undefined) this.#count(HOME, this.receive.handleReset(HOME, arrived.code, arrived.finalSize));
  }

  /** Lets everything arrive and be acknowledged, and sends again, until nothing moves. */
  drain(): void {
    for (let round = 0; round < 100_000; round += 1) {
      while (!this.isWritten) this.writeNext();
      while (this.contents.length > 0) this.deliverContent();
      const packets = this.#inFlight;
      this.#inFlight = [];
      for (const packet of packets) {
        const { offset, data, fin } = packet.segment;
        if (!packet.isLost) this.#count(packet.member, this.receive.handleData(packet.member, offset, data, fin));
        if (packet.isLost) this.#stream(packet).markLost(offset, data.length, fin);
        else this.#stream(packet).markAcked(offset, data.length, fin);
      }
      this.reset();
      while (this.receive.readableBytes > 0) this.readSome();
      this.settle();
      const sent = [this.send(HOME, 1 + this.below(300)), this.send(OTHER, 1 + this.below(300))];
      if (!sent.includes(true) && this.#inFlight.length === 0) return;
    }
    throw new Error("the transfer does not come to an end");
  }

  /** Credit that a member used and did not get back. */
  unreturned(member: MemberId): number {
    const { credit, released } = this.connections.get(member) as Connection;
    return credit.used - released;
  }

  /** What the senders used, the receiver has counted and given back. */
  expectBalance(): void {
    for (const connection of this.connections.values()) {
      expect(connection.received).toBe(connection.credit.used);
      expect(connection.released).toBe(connection.received);
    }
  }

  #stream(packet: InFlight): SendStream {
    return packet.member === HOME ? this.home : this.other;
  }

  #pick(): InFlight | undefined {
    return this.#inFlight[this.below(this.#inFlight.length)];
  }

  #count(member: MemberId, counted: unknown): void {
    if (typeof counted !== "number") throw new Error(`refused: ${JSON.stringify(counted)}`);
    const connection = this.connections.get(member) as Connection;
    connection.received += counted;
    expect(connection.received).toBeLessThanOrEqual(connection.window.limit);
  }
}

/** The byte of the stream at an offset; `readSome` checks each against it. */
function byteAt(offset: number): number {
  return (offset * 31 + (offset >> 8)) & 255;
}

function streamBytes(offset: number, length: number): Uint8Array {
  const data = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) data[i] = byteAt(offset + i);
  return data;
}

function run(transfer: Transfer, steps: number): void {
  for (let step = 0; step < steps; step += 1) {
    const choice = transfer.below(20);
    if (choice < 3) transfer.writeNext();
    else if (choice < 7) transfer.send(HOME, 1 + transfer.below(200));
    else if (choice < 10) transfer.send(OTHER, 1 + transfer.below(200));
    else if (choice < 14) transfer.deliver();
    else if (choice < 15) transfer.lose();
    else if (choice < 17) transfer.acknowledge();
    else if (choice < 18) transfer.deliverContent();
    else transfer.readSome();
  }
}

const seeds = fc.integer();
const homeParts = fc.array(fc.record({ kind: fc.constant("home" as const), length: fc.nat(400) }), { minLength: 1, maxLength: 12 });
const sharedParts = fc.array(
  fc.record({ kind: fc.constantFrom("home" as const, "contribution" as const, "both" as const), length: fc.nat(1500) }),
  { minLength: 1, maxLength: 12 },
);
const contentParts = fc.array(
  fc.record({ kind: fc.constantFrom("home" as const, "content" as const), length: fc.integer({ min: 1, max: 3000 }) }),
  { minLength: 1, maxLength: 12 },
);

function expectComplete(transfer: Transfer): void {
  expect(transfer.readBytes).toBe(transfer.total);
  expect(transfer.receive.isFinished).toBe(true);
  expect([transfer.home.state, transfer.other.state]).toEqual(["finished", "finished"]);
  expect([transfer.home.bufferedBytes, transfer.other.bufferedBytes, transfer.receive.bufferedBytes]).toEqual([0, 0, 0]);
  transfer.expectBalance();
}

for (const [name, parts] of [
  ["of the home alone", homeParts],
  ["of the home and a contributor", sharedParts],
  ["around content", contentParts],
] as const) {
  // spec: STREAM-5
  test(`a stream ${name} arrives exactly once through any reordering, repetition and loss`, () => {
    fc.assert(
      fc.property(seeds, parts, fc.nat(400), (seed, list, steps) => {
        const transfer = new Transfer(seed, list);
        run(transfer, steps);
        transfer.drain();
        expectComplete(transfer);
      }),
      { numRuns: 100 },
    );
  });
}

test("after a reset at any moment the credit of all members is in balance and nothing wrong was read", () => {
  fc.assert(
    fc.property(seeds, sharedParts, fc.nat(200), (seed, list, steps) => {
      const transfer = new Transfer(seed, list);
      run(transfer, steps);
      transfer.home.reset(5);
      transfer.other.reset(5);
      run(transfer, 30);
      transfer.drain();
      const { receive } = transfer;
      if (transfer.home.state === "reset" && !receive.isFinished) expect(receive.resetCode).toBe(5);
      if (receive.isFinished || receive.resetCode !== undefined) {
        expect(receive.bufferedBytes).toBe(0);
        transfer.expectBalance();
        return;
      }
      // The home was done before, and the contributor gave up: only what lies behind the bytes that never came is still owed.
      expect(transfer.home.state).toBe("finished");
      expect(transfer.unreturned(HOME)).toBe((receive.finalSize ?? 0) - receive.readOffset);
      expect(transfer.unreturned(OTHER)).toBe(receive.bufferedBytes);
    }),
    { numRuns: 100 },
  );
});

test("after the reader stops at any moment nothing is held and the credit of all members is in balance", () => {
  fc.assert(
    fc.property(seeds, sharedParts, fc.nat(200), fc.nat(50), (seed, list, steps, later) => {
      const transfer = new Transfer(seed, list);
      run(transfer, steps);
      transfer.receive.stop(9);
      run(transfer, later);
      expect(transfer.receive.bufferedBytes).toBe(0);
      // STOP_SENDING reaches both.
      transfer.home.stopped(9);
      transfer.other.stopped(9);
      transfer.drain();
      expect(transfer.receive.isFinished || transfer.receive.resetCode !== undefined).toBe(true);
      transfer.expectBalance();
    }),
    { numRuns: 100 },
  );
});
