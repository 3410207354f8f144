import { expect, test } from "vitest";
import { SendStream } from "./send-stream.ts";

const CREDIT = Number.MAX_SAFE_INTEGER;

function bytes(length: number, first = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i) & 255);
}

function openStream(maxOffset = 1_000_000): SendStream {
  return new SendStream(4, { maxOffset });
}

test("gives a chunk in views, without copying", () => {
  const stream = openStream();
  const data = bytes(100);
  stream.write(data);
  const first = stream.take(60, CREDIT);
  const second = stream.take(60, CREDIT);
  expect(first).toMatchObject({ offset: 0, fin: false, newBytes: 60 });
  expect(second).toMatchObject({ offset: 60, fin: false, newBytes: 40 });
  expect(first?.data.buffer).toBe(data.buffer);
  expect(second?.data).toEqual(data.subarray(60));
  expect(stream.take(60, CREDIT)).toBeUndefined();
  expect(stream.isReady).toBe(false);
});

// spec: CREDIT-1
test("sends no new byte beyond the stream's credit and says that it is blocked", () => {
  const stream = openStream(10);
  stream.write(bytes(15));
  expect(stream.readyBytes).toBe(10);
  expect(stream.take(100, CREDIT)?.data.length).toBe(10);
  expect(stream.isReady).toBe(false);
  expect(stream.isBlockedByStreamCredit).toBe(true);
  expect(stream.handleMaxOffset(10)).toBe(false);
  expect(stream.handleMaxOffset(12)).toBe(true);
  expect(stream.isBlockedByStreamCredit).toBe(false);
  expect(stream.take(100, CREDIT)).toMatchObject({ offset: 10, newBytes: 2 });
});

// spec: CREDIT-1
test("sends no new byte beyond the connection's credit, but lost bytes need none", () => {
  const stream = openStream();
  stream.write(bytes(20));
  expect(stream.take(100, 8)).toMatchObject({ offset: 0, newBytes: 8 });
  expect(stream.take(100, 0)).toBeUndefined();
  stream.markLost(0, 8, false);
  expect(stream.take(100, 0)).toMatchObject({ offset: 0, newBytes: 0, data: bytes(8) });
});

test("sends FIN with the last byte, or alone if that is out already", () => {
  const early = openStream();
  early.write(bytes(5));
  early.finish();
  expect(early.take(3, CREDIT)?.fin).toBe(false);
  expect(early.take(3, CREDIT)).toMatchObject({ offset: 3, fin: true });

  const late = openStream();
  late.write(bytes(5));
  late.take(5, CREDIT);
  late.finish();
  expect(late.isReady).toBe(true);
  expect(late.take(0, 0)).toMatchObject({ offset: 5, fin: true, newBytes: 0 });
  expect(late.state).toBe("finishing");
  late.markAcked(5, 0, true);
  expect(late.state).toBe("finishing");
  late.markAcked(0, 5, false);
  expect(late.state).toBe("finished");
});

// spec: STREAM-4, WIRE-11
test("an empty stream ends with a lone FIN", () => {
  const stream = openStream(0);
  stream.finish();
  expect(stream.take(100, 0)).toMatchObject({ offset: 0, fin: true, newBytes: 0 });
  expect(stream.take(100, 0)).toBeUndefined();
  stream.markLost(0, 0, true);
  expect(stream.take(100, 0)).toMatchObject({ offset: 0, fin: true });
  stream.markAcked(0, 0, true);
  stream.markLost(0, 0, true);
  expect(stream.isReady).toBe(false);
  expect(stream.state).toBe("finished");
});

// spec: PATH-7
test("sends again what was lost, lowest offset first, and nothing of it that was acknowledged", () => {
  const stream = openStream();
  stream.write(bytes(30));
  for (let i = 0; i < 3; i += 1) stream.take(10, CREDIT);
  stream.markAcked(12, 4, false);
  stream.markLost(20, 10, false);
  stream.markLost(10, 10, false);
  stream.markLost(10, 10, false);
  expect(stream.readyBytes).toBe(16);
  expect(stream.take(100, 0)).toMatchObject({ offset: 10, data: bytes(2, 10) });
  expect(stream.take(100, 0)).toMatchObject({ offset: 16, data: bytes(14, 16) });
  expect(stream.take(100, 0)).toBeUndefined();
  stream.markLost(16, 14, false);
  stream.markAcked(16, 14, false);
  expect(stream.isReady).toBe(false);
});

test("lets go of memory chunk by chunk as acknowledgements come", () => {
  const stream = openStream();
  for (let i = 0; i < 4; i += 1) stream.write(bytes(10));
  for (let i = 0; i < 4; i += 1) stream.take(10, CREDIT);
  expect(stream.bufferedBytes).toBe(40);
  stream.markAcked(10, 10, false);
  stream.markAcked(10, 10, false);
  expect(stream.bufferedBytes).toBe(30);
  stream.markAcked(0, 5, false);
  expect(stream.bufferedBytes).toBe(25);
  stream.markAcked(5, 35, false);
  expect(stream.bufferedBytes).toBe(0);
  expect(stream.ackedBytes).toBe(40);
});

// spec: CREDIT-1
test("leaves gaps out and counts them like data on the connection's credit", () => {
  const stream = openStream();
  stream.write(bytes(5));
  stream.skip(100);
  stream.write(bytes(5));
  stream.finish();
  expect(stream.take(50, CREDIT)).toMatchObject({ offset: 0, newBytes: 5 });
  expect(stream.take(50, CREDIT)).toMatchObject({ offset: 105, newBytes: 105, fin: true });
  stream.markAcked(0, 5, false);
  stream.markAcked(105, 5, true);
  expect(stream.state).toBe("finished");
  expect(stream.ackedBytes).toBe(10);
});

// spec: CREDIT-1
test("crosses a gap that is larger than the connection's credit in steps of empty segments", () => {
  const stream = openStream();
  stream.skip(1000);
  stream.write(bytes(10));
  expect(stream.take(50, 600)).toMatchObject({ offset: 600, newBytes: 600, fin: false });
  expect(stream.take(50, 0)).toBeUndefined();
  stream.markLost(600, 0, false);
  expect(stream.isReady).toBe(true);
  expect(stream.take(50, 0)).toMatchObject({ offset: 600, newBytes: 0, fin: false });
  expect(stream.take(50, 405)).toMatchObject({ offset: 1000, newBytes: 405 });
  // A segment beyond tells of the same gap.
  stream.markLost(600, 0, false);
  expect(stream.take(50, 5)).toMatchObject({ offset: 1005, newBytes: 5 });
  expect(stream.isReady).toBe(false);
});

test("a large gap is announced as far as credit goes, even with nothing after it", () => {
  const stream = openStream(1_000_000);
  stream.skip(50_000_000);
  expect(stream.isReady).toBe(true);
  expect(stream.take(100, CREDIT)).toMatchObject({ offset: 1_000_000, newBytes: 1_000_000 });
  expect(stream.isReady).toBe(false);
  expect(stream.isBlockedByStreamCredit).toBe(false);
  stream.handleMaxOffset(1_100_000);
  expect(stream.isReady).toBe(false);
  stream.finish();
  expect(stream.isBlockedByStreamCredit).toBe(true);
  stream.handleMaxOffset(50_000_000);
  expect(stream.take(100, CREDIT)).toMatchObject({ offset: 50_000_000, fin: true, newBytes: 49_000_000 });
});

test("a reset drops what is unsent and ends at the highest offset that was sent", () => {
  const stream = openStream();
  stream.write(bytes(50));
  stream.take(20, CREDIT);
  stream.reset(7);
  stream.reset(8);
  stream.write(bytes(3));
  expect(stream.isReady).toBe(false);
  expect(stream.bufferedBytes).toBe(0);
  expect(stream.takeReset()).toEqual({ code: 7, finalSize: 20 });
  expect(stream.resetPending).toBe(false);
  stream.markResetLost();
  expect(stream.takeReset()).toEqual({ code: 7, finalSize: 20 });
  expect(stream.state).toBe("reset");
  stream.markResetAcked();
  stream.markResetLost();
  expect(stream.resetPending).toBe(false);
  expect(stream.state).toBe("reset-acknowledged");
});

// spec: STREAM-4
test("STOP_SENDING resets with its code, unless everything has arrived", () => {
  const stream = openStream();
  stream.write(bytes(5));
  stream.stopped(9);
  expect([stream.stopCode, stream.resetCode, stream.state]).toEqual([9, 9, "reset"]);

  const done = openStream();
  done.finish();
  done.take(1, 0);
  done.markAcked(0, 0, true);
  done.stopped(9);
  expect([done.stopCode, done.resetCode, done.state]).toEqual([9, undefined, "finished"]);
});

test("a contribution has no FIN and its gaps cost no connection credit", () => {
  const stream = new SendStream(4, { maxOffset: 2000, startOffset: 500 });
  stream.write(bytes(10));
  stream.skip(400);
  stream.write(bytes(10));
  stream.finish();
  expect(stream.take(50, 15)).toMatchObject({ offset: 500, newBytes: 10 });
  expect(stream.take(50, 5)).toMatchObject({ offset: 910, newBytes: 5, fin: false });
  expect(stream.take(50, 0)).toBeUndefined();
  expect(stream.take(50, 5)).toMatchObject({ offset: 915, newBytes: 5, fin: false });
  expect(stream.isReady).toBe(false);
  stream.markAcked(500, 10, false);
  stream.markAcked(910, 10, false);
  expect(stream.state).toBe("finished");
});

test("a contribution that is reset still repairs what it has sent", () => {
  const stream = new SendStream(4, { maxOffset: 2000, startOffset: 0 });
  stream.write(bytes(30));
  stream.take(10, CREDIT);
  stream.reset(3);
  expect(stream.resetPending).toBe(false);
  stream.markLost(0, 10, false);
  expect(stream.take(100, 0)).toMatchObject({ offset: 0, data: bytes(10) });
  expect(stream.take(100, CREDIT)).toBeUndefined();
  expect(stream.state).toBe("reset");
  stream.markAcked(0, 10, false);
  expect(stream.state).toBe("reset-acknowledged");
});

test("writing after finish is a bug of the caller", () => {
  const stream = openStream();
  stream.finish();
  expect(() => stream.write(bytes(1))).toThrow("write after finish");
});

// Quadratic work would take minutes here; the runner's own time limit fails it.
test("copes with hundreds of thousands of tiny writes, acknowledged in order or backwards, lost as a whole", () => {
  const count = 200_000;
  const one = bytes(1);
  for (const order of ["forward", "backward"]) {
    const stream = openStream();
    for (let i = 0; i < count; i += 1) stream.write(one);
    for (let i = 0; i < count; i += 1) stream.take(1000, CREDIT);
    for (let i = 0; i < count; i += 1) stream.markLost(i, 1, false);
    for (let i = 0; i < count; i += 1) expectSegment(stream, i);
    for (let i = 0; i < count; i += 1) stream.markAcked(order === "forward" ? i : count - 1 - i, 1, false);
    expect(stream.ackedBytes).toBe(count);
    expect(stream.bufferedBytes).toBe(0);
  }
}, 20_000);

function expectSegment(stream: SendStream, offset: number): void {
  if (stream.take(1000, 0)?.offset !== offset) throw new Error(`no segment at ${offset}`);
}
