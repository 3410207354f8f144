import { expect, test } from "vitest";
import { Http2Frames, Http2Preface } from "./http2-frames.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

function frame(type: number, bytes: number): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes, 0, 3);
  head[3] = type;
  return Buffer.concat([head, Buffer.alloc(bytes, type)]);
}

test("HTTP/2 is known by its beginning, wherever that is cut, and HTTP/1 is not it", () => {
  for (let cut = 0; cut <= PREFACE.length; cut += 1) {
    const preface = new Http2Preface();
    const found = [PREFACE.slice(0, cut), `${PREFACE.slice(cut)}more`].map((text) => preface.next(Buffer.from(text)));
    expect(found, String(cut)).toEqual(cut >= 14 ? [0, undefined] : [undefined, cut]);
  }
  const byBytes = new Http2Preface();
  const told = Array.from(PREFACE, (character) => byBytes.next(Buffer.from(character)));
  expect(told.findIndex((one) => one !== undefined)).toBe(13);
  for (const text of ["", "P", "PRI * HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n", `x${PREFACE}`, `P${PREFACE}`]) {
    const preface = new Http2Preface();
    expect(preface.next(Buffer.from(text)), text).toBeUndefined();
    expect(preface.next(Buffer.from("x".repeat(30))), text).toBeUndefined();
  }
});

test("every frame is a piece, data that follows data stays with it", () => {
  const frames = [frame(4, 6), frame(1, 30), frame(0, 100), frame(0, 0), frame(1, 5), frame(0, 7)];
  const pieces = new Http2Frames(0).split(Buffer.concat(frames));
  expect(pieces).toEqual([frames[0], frames[1], Buffer.concat(frames.slice(2, 4)), frames[4], frames[5]]);
});

test("wherever the bytes are cut, none is lost, and no piece ends more than one frame", () => {
  const frames = [frame(4, 6), frame(1, 3), frame(0, 4), frame(1, 2)];
  const whole = Buffer.concat([Buffer.from(PREFACE), ...frames]);
  const ends = frames.map((_one, index) => PREFACE.length + Buffer.concat(frames.slice(0, index + 1)).length);
  for (let cut = 1; cut < whole.length; cut += 1) {
    const splitter = new Http2Frames(PREFACE.length);
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
