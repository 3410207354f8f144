import { PIPE_LOW_WATER_BYTES } from "@kwik/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocketPipe } from "./web-socket-pipe.ts";

/** What a pipe uses of a WebSocket; copies what it is given, as browsers do. */
class PlayedSocket {
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onclose: ((event: { code: number; reason: string }) => void) | undefined;
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly closes: unknown[][] = [];

  send(data: Uint8Array): void {
    this.sent.push(new Uint8Array(data));
    this.bufferedAmount += data.length;
  }
  close(...how: unknown[]): void {
    this.closes.push(how);
  }
}

let socket: PlayedSocket;
let pipe: WebSocketPipe;
let got: Uint8Array[];
let drains: number;
let ends: string[];

beforeEach(() => {
  vi.useFakeTimers();
  socket = new PlayedSocket();
  pipe = new WebSocketPipe(socket as unknown as WebSocket, {} as never);
  got = [];
  drains = 0;
  ends = [];
  pipe.receiver = { onData: (data) => got.push(data), onDrain: () => (drains += 1), onEnd: (reason) => ends.push(reason) };
});

afterEach(() => {
  vi.useRealTimers();
});

const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("small parts leave in one message, large ones in several, all in order", () => {
  const large = Uint8Array.from({ length: 150_000 }, (_, index) => index & 0xff);
  pipe.write([bytesOf(1), bytesOf(2, 3), large, bytesOf(4), new Uint8Array(0)]);
  pipe.write([bytesOf(5)]);
  expect(socket.sent.map((message) => message.length)).toEqual([3, 65_536, 65_536, 18_928, 1, 1]);
  expect(Buffer.concat(socket.sent)).toEqual(Buffer.concat([bytesOf(1, 2, 3), large, bytesOf(4, 5)]));
  expect(pipe.stats().bytesOut).toBe(150_005);
});

test("the browser is looked at while too much is queued, and not otherwise", () => {
  pipe.write([new Uint8Array(PIPE_LOW_WATER_BYTES - 1)]);
  expect(vi.getTimerCount()).toBe(0);
  pipe.write([new Uint8Array(1)]);
  expect([pipe.bufferedBytes, vi.getTimerCount()]).toEqual([PIPE_LOW_WATER_BYTES, 1]);
  vi.advanceTimersByTime(100);
  expect([drains, vi.getTimerCount()]).toEqual([0, 1]);
  socket.bufferedAmount -= 1;
  vi.advanceTimersByTime(100);
  expect([drains, vi.getTimerCount()]).toEqual([1, 0]);
});

test("what arrives is a reason to look too: timers of hidden pages are slow", () => {
  pipe.write([new Uint8Array(2 * PIPE_LOW_WATER_BYTES)]);
  socket.bufferedAmount = 0;
  socket.onmessage?.({ data: bytesOf(9).buffer });
  expect([got, drains]).toEqual([[bytesOf(9)], 1]);
  vi.advanceTimersByTime(100);
  expect([drains, vi.getTimerCount()]).toEqual([1, 0]);
});

test("a text message ends the connection", () => {
  socket.onmessage?.({ data: "hello" });
  socket.onmessage?.({ data: bytesOf(1).buffer });
  socket.onclose?.({ code: 1006, reason: "" });
  expect([ends, socket.closes.length, got]).toEqual([["the other side sent a text message; kwik's are binary"], 1, []]);
});

test.each([
  [1000, "", ""],
  [1001, "", ""],
  [1005, "", ""],
  [1006, "", "the connection broke"],
  [1011, "", "the other side closed the WebSocket with code 1011"],
  [4000, "no", "the other side closed the WebSocket with code 4000: no"],
])("an end with code %i and reason %j is told as %j", (code, reason, words) => {
  socket.onclose?.({ code, reason });
  expect(ends).toEqual([words]);
  expect(pipe.bufferedBytes).toBe(0);
});

test("an end of this side's is not told, and leaves no timer", () => {
  pipe.write([new Uint8Array(2 * PIPE_LOW_WATER_BYTES)]);
  pipe.end();
  pipe.end();
  pipe.write([bytesOf(1)]);
  socket.onclose?.({ code: 1000, reason: "" });
  expect([socket.closes, ends, vi.getTimerCount(), socket.sent.length]).toEqual([[[1000]], [], 0, 4]);
});
