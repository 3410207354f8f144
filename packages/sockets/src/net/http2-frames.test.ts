import { expect, test } from "vitest";
import { beginsHttp2, Http2Frames } from "./http2-frames.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

function frame(type: number, bytes: number): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes, 0, 3);
  head[3] = type;
  return Buffer.concat([head, Buffer.alloc(bytes, type)]);
}

test("a connection of HTTP/2 is known by its beginning, one of HTTP/1 is not", () => {
  expect(beginsHttp2(Buffer.from(PREFACE))).toBe(true);
  expect(beginsHttp2(Buffer.from(`${PREFACE}more`))).toBe(true);
  expect(beginsHttp2(Buffer.from(PREFACE.slice(0, 14)))).toBe(true);
  for (const text of ["", "P", "PRI * HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n", `x${PREFACE}`])
    expect(beginsHttp2(Buffer.from(text)), text).toBe(false);
});

test("every frame is a piece, data that follows data stays with it", () => {
  const frames = [frame(4, 6), frame(1, 30), frame(0, 100), frame(0, 0), frame(1, 5), frame(0, 7)];
  const pieces = new Http2Frames(false).split(Buffer.concat(frames));
  expect(pieces).toEqual([frames[0], frames[1], Buffer.concat(frames.slice(2, 4)), frames[4], frames[5]]);
});

test("wherever the bytes are cut, none is lost, and no piece ends more than one frame", () => {
  const frames = [frame(4, 6), frame(1, 3), frame(0, 4), frame(1, 2)];
  const whole = Buffer.concat([Buffer.from(PREFACE), ...frames]);
  const ends = frames.map((_one, index) => PREFACE.length + Buffer.concat(frames.slice(0, index + 1)).length);
  for (let cut = 1; cut < whole.length; cut += 1) {
    const splitter = new Http2Frames(true);
    const pieces = [...splitter.split(whole.subarray(0, cut)), ...splitter.split(whole.subarray(cut))];
    expect(Buffer.concat(pieces).equals(whole), String(cut)).toBe(true);
    let at = 0;
    for (const piece of pieces) {
      const ended = ends.filter((end) => end > at && end <= at + piece.length);
      expect(ended.length, `cut at ${cut}, piece at ${at}`).toBeLessThanOrEqual(1);
      at += piece.length;
    }
  }
});
