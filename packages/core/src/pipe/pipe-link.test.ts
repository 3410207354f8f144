import { ErrorCode } from "@kwik/proto";
import { expect, test } from "vitest";
import type { Carrier, LinkCloseInfo, LinkReceiver } from "../transport/link.ts";
import { type BytePipe, type BytePipeReceiver, PIPE_LOW_WATER_BYTES } from "./byte-pipe.ts";
import { PipeCarrier } from "./pipe-carrier.ts";
import { PipeLink } from "./pipe-link.ts";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** A pipe in memory: bytes stay queued until `pass` lets them through. */
class MemoryPipe implements BytePipe {
  readonly properties = {
    transport: "memory",
    remoteAddress: "",
    localAddress: undefined,
    provenIdentity: undefined,
    clientIdentity: undefined,
  };
  readonly encrypted = false;
  receiver: BytePipeReceiver | undefined;
  other: MemoryPipe | undefined;
  isEnded = false;
  writes = 0;
  maxBufferedBytes = 0;
  #queue: Uint8Array[] = [];

  write(parts: readonly Uint8Array[]): void {
    this.writes += 1;
    this.#queue.push(...parts);
    this.maxBufferedBytes = Math.max(this.maxBufferedBytes, this.bufferedBytes);
  }
  get bufferedBytes(): number {
    return this.#queue.reduce((sum, part) => sum + part.length, 0);
  }
  end(): void {
    this.isEnded = true;
  }
  stats() {
    return { rttMs: undefined, bytesIn: 0, bytesOut: 0 };
  }
  /** Lets what is queued through; answers whether there was anything. */
  pass(): boolean {
    const queue = this.#queue;
    const wasHigh = this.bufferedBytes >= PIPE_LOW_WATER_BYTES;
    this.#queue = [];
    if (queue.length > 0) this.other?.receiver?.onData(Buffer.concat(queue));
    if (wasHigh) this.receiver?.onDrain();
    return queue.length > 0;
  }
}

class End implements LinkReceiver {
  readonly got = new Map<number, string>();
  readonly carriers: Carrier[] = [];
  readonly ended: number[] = [];
  readonly datagrams: number[] = [];
  closed: LinkCloseInfo | undefined;

  onCarrier(carrier: Carrier): void {
    this.carriers.push(carrier);
    this.listen(carrier);
  }
  listen(carrier: Carrier): Carrier {
    this.got.set(carrier.id, "");
    carrier.receiver = {
      onData: (data) => void this.got.set(carrier.id, `${this.got.get(carrier.id)}${Buffer.from(data).toString("latin1")}`),
      onEnd: () => void this.ended.push(carrier.id),
    };
    return carrier;
  }
  onDatagram(data: Uint8Array): void {
    this.datagrams.push(data.length);
  }
  onClose(info: LinkCloseInfo): void {
    this.closed = info;
  }
  onBatchEnd(): void {}
}

function pair() {
  const pipes = [new MemoryPipe(), new MemoryPipe()] as const;
  pipes[0].other = pipes[1];
  pipes[1].other = pipes[0];
  const client = { pipe: pipes[0], link: new PipeLink(pipes[0], "client"), end: new End() };
  const server = { pipe: pipes[1], link: new PipeLink(pipes[1], "server"), end: new End() };
  client.link.attach(client.end);
  server.link.attach(server.end);
  const settle = async (): Promise<void> => {
    do await turn();
    while ([client.pipe.pass(), server.pipe.pass()].includes(true));
  };
  return { client, server, settle };
}

const text = (value: string): Uint8Array => Buffer.from(value, "latin1");

// spec: PIPE-3
test("carriers of both sides, told in the order in which they were opened", async () => {
  const { client, server, settle } = pair();
  const first = client.end.listen(client.link.openCarrier() as Carrier);
  const second = client.end.listen(client.link.openCarrier() as Carrier);
  const third = server.end.listen(server.link.openCarrier() as Carrier);
  second.send([text("b")]);
  first.send([text("a"), text("A")]);
  third.send([text("c")]);
  await settle();
  expect(server.end.carriers.map(({ id }) => id)).toEqual([0, 2]);
  expect(client.end.carriers.map(({ id }) => id)).toEqual([1]);
  expect([...server.end.got]).toEqual([
    [1, ""],
    [0, "aA"],
    [2, "b"],
  ]);
  expect(client.end.got.get(1)).toBe("c");
});

test("what one turn sends leaves in one write", async () => {
  const { client } = pair();
  const carrier = client.link.openCarrier() as Carrier;
  for (let i = 0; i < 20; i += 1) carrier.send([text("x"), text("y")]);
  await turn();
  expect(client.pipe.writes).toBe(1);
});

// spec: PIPE-7
test("a small message does not wait behind a window of bulk, and what waits before the pipe is bounded", async () => {
  const { client, server, settle } = pair();
  const bulk = client.link.openCarrier() as Carrier;
  const small = client.link.openCarrier() as Carrier;
  for (let i = 0; i < 64; i += 1) bulk.send([new Uint8Array(64 * 1024)]);
  await turn();
  small.send([text("ack")]);
  client.pipe.pass();
  await turn();
  client.pipe.pass();
  expect(server.end.got.get(2)).toBe("ack");
  expect(server.end.got.get(0)?.length).toBeLessThan(1024 * 1024);
  await settle();
  expect(server.end.got.get(0)?.length).toBe(64 * 64 * 1024);
  expect(client.pipe.maxBufferedBytes).toBeLessThanOrEqual(2 * PIPE_LOW_WATER_BYTES + 64 * 1024 + 4096);
  expect([bulk.bufferedBytes, client.link.stats().bufferedBytes]).toEqual([0, 0]);
});

// spec: PIPE-4
test("a reset ends both directions; what was under way is ignored, and numbers are not used again", async () => {
  const { client, server, settle } = pair();
  const carrier = client.end.listen(client.link.openCarrier() as Carrier);
  carrier.send([text("one")]);
  await settle();
  server.end.carriers[0]?.send([text("answer")]);
  carrier.send([new Uint8Array(1000)]);
  carrier.reset(7);
  await settle();
  expect(server.end.ended).toEqual([0]);
  expect(server.end.got.get(0)).toBe("one");
  expect(client.end.got.get(0)).toBe("");
  expect(client.link.openCarrier()?.id).toBe(2);
  expect([client.end.closed, server.end.closed]).toEqual([undefined, undefined]);
});

// spec: PIPE-5
test("datagrams are refused when too large, or when too much is queued", async () => {
  const { client, server, settle } = pair();
  expect(client.link.sendDatagram(new Uint8Array(65_536))).toBe(false);
  let taken = 0;
  while (client.link.sendDatagram(new Uint8Array(65_535))) taken += 1;
  expect(taken).toBe(1);
  await settle();
  expect(server.end.datagrams).toEqual([65_535]);
});

// spec: PIPE-6
test("a close is told with its code, and a pipe that just ends is LINK_LOST", async () => {
  const one = pair();
  one.client.link.close(ErrorCode.GOING_AWAY, "bye");
  await one.settle();
  expect(one.client.end.closed).toEqual({ code: ErrorCode.GOING_AWAY, reason: "bye", remote: false });
  expect(one.server.end.closed).toEqual({ code: ErrorCode.GOING_AWAY, reason: "bye", remote: true });
  expect([one.client.pipe.isEnded, one.server.pipe.isEnded]).toEqual([true, true]);
  const other = pair();
  other.client.pipe.receiver?.onEnd("");
  expect(other.client.end.closed).toEqual({ code: ErrorCode.LINK_LOST, reason: "the connection ended", remote: true });
});

// spec: PIPE-3
test.each([
  ["a carrier out of order", "000400", ErrorCode.PROTOCOL_VIOLATION],
  ["a carrier with a number of ours", "000300", ErrorCode.PROTOCOL_VIOLATION],
  ["a reset of nothing", "010800", ErrorCode.PROTOCOL_VIOLATION],
  ["garbage", "47455420", ErrorCode.FRAME_ENCODING],
])("%s ends the link on both sides with its code", async (_, hex, code) => {
  const { client, server, settle } = pair();
  client.pipe.write([Buffer.from(hex, "hex")]);
  await settle();
  expect(server.end.closed).toMatchObject({ code, remote: false });
  expect(client.end.closed).toMatchObject({ code, remote: true });
});

// spec: PIPE-3
test("a side has at most 1024 carriers open", async () => {
  const { client, server, settle } = pair();
  const carriers = Array.from({ length: 1024 }, () => client.link.openCarrier());
  expect(client.link.openCarrier()).toBeUndefined();
  await settle();
  carriers[5]?.reset(0);
  expect(client.link.openCarrier()?.id).toBe(2048);
  await settle();
  expect(server.end.closed).toBeUndefined();
  // One more, by hand.
  client.pipe.write([Buffer.from("00480200", "hex")]);
  await settle();
  expect(server.end.closed?.code).toBe(ErrorCode.LIMIT_REACHED);
});

test("what comes before attach waits for it, the end included", async () => {
  const pipe = new MemoryPipe();
  const link = new PipeLink(pipe, "server");
  pipe.receiver?.onData(Buffer.from("000002", "hex"));
  pipe.receiver?.onData(text("hi"));
  pipe.receiver?.onEnd("gone");
  await turn();
  const end = new End();
  link.attach(end);
  expect(end.carriers).toEqual([]);
  await turn();
  expect([...end.got]).toEqual([[0, "hi"]]);
  expect(end.closed).toMatchObject({ code: ErrorCode.LINK_LOST, reason: "gone" });
});

test("a receiver that throws ends its link, and says so to the other side", async () => {
  const { client, server, settle } = pair();
  server.end.onCarrier = () => {
    throw new Error("a fault");
  };
  (client.link.openCarrier() as Carrier).send([text("x")]);
  await settle();
  expect(server.end.closed).toMatchObject({ code: ErrorCode.INTERNAL_ERROR, reason: "a fault" });
  expect(client.end.closed).toMatchObject({ code: ErrorCode.INTERNAL_ERROR, remote: true });
});

test("a carrier that is never empty does not keep what it has sent", () => {
  const carrier = new PipeCarrier(0, { wants: () => undefined, resets: () => undefined });
  let sent = 0;
  let taken = 0;
  const batch: Uint8Array[] = [];
  for (let turn = 0; turn < 5_000; turn += 1) {
    for (let part = 0; part < 3; part += 1) carrier.send([Uint8Array.of(sent++ & 0xff)]);
    if (turn > 20) taken += carrier.take(3, batch);
    expect(carrier.queueLength).toBeLessThan(1_000);
  }
  expect(carrier.bufferedBytes).toBe(sent - taken);
  expect(batch.every((part, index) => part[0] === (index & 0xff))).toBe(true);
});

test("datagrams have a share beside bulk that fills the pipe", async () => {
  const { client } = pair();
  const bulk = client.link.openCarrier() as Carrier;
  for (let i = 0; i < 64; i += 1) bulk.send([new Uint8Array(64 * 1024)]);
  await turn();
  expect(client.pipe.bufferedBytes).toBeGreaterThanOrEqual(2 * PIPE_LOW_WATER_BYTES);
  expect(client.link.sendDatagram(new Uint8Array(1_000))).toBe(true);
});

test("before attach only little is taken, and who attaches later hears of the end", async () => {
  const pipe = new MemoryPipe();
  const link = new PipeLink(pipe, "client");
  for (let i = 0; i < 3; i += 1) pipe.receiver?.onData(new Uint8Array(30_000));
  expect(pipe.isEnded).toBe(true);
  await turn();
  const end = new End();
  link.attach(end);
  await turn();
  expect(end.closed).toMatchObject({ code: ErrorCode.TOO_LARGE, remote: false });
});

// spec: PIPE-6
test("nothing is told after the end, whatever follows in the same piece", async () => {
  const { client, server } = pair();
  const calls: string[] = [];
  server.end.onClose = () => void calls.push("close");
  server.end.onDatagram = () => void calls.push("datagram");
  server.end.onBatchEnd = () => void calls.push("batch");
  client.pipe.write([Buffer.from("0300000202686900000168", "hex")]);
  client.pipe.pass();
  await turn();
  expect(calls).toEqual(["close"]);
});
