import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Arrival, PIPE_LOW_WATER_BYTES } from "@kwik/core";
import { afterEach, expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { MAX_MESSAGE_BYTES, WEBSOCKET_OPTIONS } from "./limits.ts";
import { WsPipe } from "./ws-pipe.ts";

const properties = {
  transport: "websocket",
  remoteAddress: "peer:1",
  localAddress: undefined,
  provenIdentity: undefined,
  clientIdentity: undefined,
};
const KB = 1024;

/** Takes what is sent and says when it was taken only when it is told to. */
class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  isPaused = false;
  readonly sent: { data: Uint8Array; done: (error?: Error) => void }[] = [];
  readonly closes: unknown[][] = [];
  pause = (): void => void (this.isPaused = true);
  resume = (): void => void (this.isPaused = false);
  close = (...args: unknown[]): void => void this.closes.push(args);
  send(data: Uint8Array, _options: object, done: (error?: Error) => void): void {
    this.sent.push({ data, done });
  }
}

function fakePipe(): { ws: FakeWebSocket; socket: EventEmitter; pipe: WsPipe; log: string[]; notices: string[]; gone: () => number } {
  const ws = new FakeWebSocket();
  const socket = new EventEmitter();
  const log: string[] = [];
  const notices: string[] = [];
  let gone = 0;
  const pipe = new WsPipe({
    ws: ws as unknown as WebSocket,
    socket: socket as unknown as Socket,
    properties,
    encrypted: true,
    onGone: () => (gone += 1),
    onNotice: (message) => notices.push(message),
  });
  pipe.receiver = {
    onData: (data) => log.push(`data ${data.length}`),
    onDrain: () => log.push("drain"),
    onEnd: (reason) => log.push(`end ${reason}`),
  };
  return { ws, socket, pipe, log, notices, gone: () => gone };
}

test("buffered are the bytes that were not taken yet, and onDrain says once that there is room again", () => {
  const { ws, pipe, log } = fakePipe();
  const whole = MAX_MESSAGE_BYTES;
  pipe.write([new Uint8Array(3 * whole + 8 * KB)]);
  expect(pipe.bufferedBytes).toBe(3 * whole + 8 * KB);
  expect(ws.sent.map((message) => message.data.length)).toEqual([whole, whole, whole, 8 * KB]);
  ws.sent[0]?.done();
  expect([pipe.bufferedBytes, log]).toEqual([2 * whole + 8 * KB, []]);
  ws.sent[1]?.done();
  expect([pipe.bufferedBytes, log]).toEqual([whole + 8 * KB, ["drain"]]);
  ws.sent[2]?.done();
  ws.sent[3]?.done();
  expect([pipe.bufferedBytes, log]).toEqual([0, ["drain"]]);
  expect(pipe.stats().bytesOut).toBe(3 * whole + 8 * KB);
});

test("below the mark there is no onDrain; at the mark there is", () => {
  const { ws, pipe, log } = fakePipe();
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES - 1)]);
  for (const message of ws.sent.splice(0)) message.done();
  expect(log).toEqual([]);
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES - 1)]);
  pipe.write([new Uint8Array(1)]);
  ws.sent[0]?.done();
  expect(log).toEqual(["drain"]);
});

test("onDrain may write again, and is told again", () => {
  const { ws, pipe, log } = fakePipe();
  let refills = 3;
  pipe.receiver = {
    onData: () => undefined,
    onEnd: () => undefined,
    onDrain: () => {
      log.push("drain");
      if (refills > 0) pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES)]);
      refills -= 1;
    },
  };
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES)]);
  while (ws.sent.length > 0) ws.sent.shift()?.done();
  expect([pipe.bufferedBytes, log.length]).toEqual([0, 4]);
});

test("after its end a pipe delivers nothing, takes nothing and counts down what was queued", () => {
  const { ws, pipe, log, gone } = fakePipe();
  pipe.write([new Uint8Array(2 * MAX_MESSAGE_BYTES)]);
  pipe.end();
  pipe.end();
  expect(ws.closes).toEqual([[1000]]);
  pipe.write([new Uint8Array(10)]);
  ws.emit("message", Buffer.alloc(5), true);
  ws.sent[0]?.done();
  expect([ws.sent.length, pipe.bufferedBytes]).toEqual([2, MAX_MESSAGE_BYTES]);
  ws.emit("close", 1000, Buffer.alloc(0));
  ws.sent[1]?.done(new Error("too late"));
  expect([pipe.bufferedBytes, log, gone()]).toEqual([0, [], 1]);
});

test.each([
  [1000, "", "end "],
  [1001, "moved on", "end "],
  [1005, "", "end "],
  [1006, "", "end the connection broke: read ECONNRESET"],
  [1009, "", "end the other side refused a message as too large"],
  [1011, "out of cheese", "end the other side failed: out of cheese"],
  [4000, "", "end the other side closed the WebSocket with code 4000"],
])("close code %i is told in words, once", (code, reason, expected) => {
  const { ws, socket, log } = fakePipe();
  socket.emit("error", new Error("read ECONNRESET"));
  ws.emit("close", code, Buffer.from(reason));
  ws.emit("close", code, Buffer.from(reason));
  expect(log).toEqual([expected]);
});

test("text, and faults that ws finds, end the pipe at once with a reason", () => {
  const text = fakePipe();
  text.ws.emit("message", Buffer.from("hello"), false);
  text.ws.emit("message", Buffer.alloc(3), true);
  expect(text.log).toEqual(["end the other side sent a text message; kwik's are binary"]);
  expect(text.ws.closes[0]?.[0]).toBe(1003);
  const fault = fakePipe();
  fault.ws.emit("error", new RangeError("Max payload size exceeded"));
  fault.ws.emit("close", 1006, Buffer.alloc(0));
  expect(fault.log).toEqual(["end what came is not kwik over WebSocket: Max payload size exceeded"]);
});

test("a receiver that throws is told the end, and the notice says whose it was", () => {
  const { ws, pipe, log, notices } = fakePipe();
  pipe.receiver = {
    onData: () => {
      throw new Error("a fault above");
    },
    onDrain: () => undefined,
    onEnd: (reason) => log.push(`end ${reason}`),
  };
  ws.emit("message", Buffer.alloc(3), true);
  expect(log).toEqual(["end the receiver failed"]);
  expect(ws.closes).toEqual([[1011]]);
  expect(notices).toEqual(["the receiver of a link from peer:1 failed: a fault above"]);
});

test("nothing is read before somebody receives", () => {
  const ws = new FakeWebSocket();
  const pipe = new WsPipe({ ws: ws as unknown as WebSocket, socket: new EventEmitter() as unknown as Socket, properties, encrypted: true });
  expect(ws.isPaused).toBe(true);
  pipe.receiver = { onData: () => undefined, onDrain: () => undefined, onEnd: () => undefined };
  expect(ws.isPaused).toBe(false);
  const unwanted = new FakeWebSocket();
  new WsPipe({ ws: unwanted as unknown as WebSocket, socket: new EventEmitter() as unknown as Socket, properties, encrypted: true }).end();
  expect(unwanted.isPaused).toBe(false); // else the other side's answer to the close would never be seen
});

// With the real thing ------------------------------------------------------------------------------------------------------

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** A pipe on the server of a loopback connection, and the bare WebSocket at the other end. */
async function realPipe(): Promise<{ pipe: WsPipe; socket: Socket; peer: WebSocket; ended: string[]; gone: Promise<void> }> {
  const http = createServer();
  const server = new WebSocketServer({ ...WEBSOCKET_OPTIONS, noServer: true, clientTracking: false });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  open.push({ close: () => http.close() });
  const accepted = new Promise<{ ws: WebSocket; socket: Socket }>((resolve) => {
    http.on("upgrade", (request, socket: Socket, head) => server.handleUpgrade(request, socket, head, (ws) => resolve({ ws, socket })));
  });
  const peer = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  peer.on("error", () => undefined);
  open.push({ close: () => peer.terminate() });
  await once(peer, "open");
  const { ws, socket } = await accepted;
  const ended: string[] = [];
  let pipe: WsPipe | undefined;
  const gone = new Promise<void>((resolve) => {
    pipe = new WsPipe({ ws, socket, properties, encrypted: false, onGone: resolve });
  });
  if (pipe === undefined) throw new Error("no pipe");
  pipe.receiver = { onData: () => undefined, onDrain: () => undefined, onEnd: (reason) => ended.push(reason) };
  return { pipe, socket, peer, ended, gone };
}

test("end sends what is queued first", async () => {
  const { pipe, peer, ended, gone } = await realPipe();
  let received = 0;
  let largest = 0;
  peer.on("message", (data: Buffer) => {
    received += data.length;
    largest = Math.max(largest, data.length);
  });
  pipe.write([new Uint8Array(6_000_000)]);
  expect(pipe.bufferedBytes).toBe(6_000_000);
  pipe.end();
  const [code] = (await once(peer, "close")) as [number];
  await gone;
  expect([code, received, largest, pipe.bufferedBytes, ended]).toEqual([1000, 6_000_000, MAX_MESSAGE_BYTES, 0, []]);
});

test("end gives up on a peer that does not read, and nothing is left", async () => {
  const { pipe, socket, peer, ended, gone } = await realPipe();
  peer.pause();
  pipe.write([new Uint8Array(50_000_000)]);
  pipe.end();
  await gone;
  expect([socket.destroyed, pipe.bufferedBytes, ended]).toEqual([true, 0, []]);
});

test("a peer that vanishes ends the pipe with what the socket said", async () => {
  const { pipe, peer, ended, gone } = await realPipe();
  pipe.write([new Uint8Array(50_000_000)]);
  peer.terminate();
  await gone;
  expect(ended).toEqual([expect.stringMatching(/^the connection broke/)]);
  pipe.write([new Uint8Array(10)]);
  pipe.end();
  expect(pipe.bufferedBytes).toBe(0);
});

test("whatever messages, fragments and pings come, every byte arrives in order, though memory is given back meanwhile", async () => {
  const { pipe, peer, ended } = await realPipe();
  const kept: { readonly view: Uint8Array; readonly arrival: Arrival | undefined }[] = [];
  const got: Buffer[] = [];
  let lent = 0;
  let received = 0;
  const takeOldest = (): void => {
    const oldest = kept.shift();
    if (oldest === undefined) return;
    got.push(Buffer.from(oldest.view));
    oldest.arrival?.release();
  };
  pipe.receiver = {
    onData: (view, arrival) => {
      arrival?.hold();
      if (arrival !== undefined) lent += 1;
      kept.push({ view, arrival });
      received += view.length;
      if (kept.length > 5) takeOldest();
    },
    onDrain: () => undefined,
    onEnd: (reason) => ended.push(reason),
  };
  let seed = 11;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const sent: Buffer[] = [];
  for (let count = 0; count < 400; count += 1) {
    const sizes = [1 + random(100), 1 + random(20 * KB), 60 * KB + random(8 * KB), 1 + random(120 * KB)];
    const data = Buffer.alloc(sizes[random(sizes.length)] as number, count);
    sent.push(data);
    if (random(3) > 0) peer.send(data);
    else {
      const cut = random(data.length);
      peer.send(data.subarray(0, cut), { fin: false });
      if (random(2) === 0) peer.ping();
      peer.send(data.subarray(cut), { fin: true });
    }
    if (count % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const whole = Buffer.concat(sent);
  const end = Date.now() + 30_000;
  while (received < whole.length && ended.length === 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  while (kept.length > 0) takeOldest();
  expect([ended, received]).toEqual([[], whole.length]);
  expect(Buffer.concat(got).equals(whole)).toBe(true);
  expect(lent).toBeGreaterThan(100);
});
