import { expect, test } from "vitest";
import { ErrorCode } from "../base/error-codes.ts";
import { IncomingStreams, OutgoingStreams } from "./stream-limits.ts";

test("opens streams in sequence up to the limit of the peer", () => {
  const streams = new OutgoingStreams(2);
  expect([streams.nextSequence(), streams.nextSequence(), streams.nextSequence()]).toEqual([0, 1, undefined]);
  expect(streams.raise(1)).toBe(false);
  expect(streams.raise(3)).toBe(true);
  expect([streams.nextSequence(), streams.opened, streams.limit]).toEqual([2, 3, 3]);
});

// spec: STREAM-3
test("a frame creates its stream and all lower ones that are new", () => {
  const streams = new IncomingStreams(10);
  expect(streams.accept(2)).toEqual({ created: { first: 0, last: 2 } });
  expect(streams.accept(1)).toEqual({ created: undefined });
  expect(streams.accept(3)).toEqual({ created: { first: 3, last: 3 } });
  expect(streams.accept(10)).toMatchObject({ code: ErrorCode.STREAM_LIMIT });
  expect(streams.opened).toBe(4);
});

test("announces more streams in steps, and at once to a peer that has none left", () => {
  const streams = new IncomingStreams(80);
  streams.accept(20);
  for (let i = 0; i < 9; i += 1) streams.closed();
  expect(streams.pollUpdate()).toBeUndefined();
  streams.closed();
  expect(streams.pollUpdate()).toBe(90);
  streams.accept(89);
  expect(streams.pollUpdate()).toBeUndefined();
  streams.closed();
  expect(streams.pollUpdate()).toBe(91);
  expect(streams.accept(90)).toEqual({ created: { first: 90, last: 90 } });
});
