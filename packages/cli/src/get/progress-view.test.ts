import type { PathInfo } from "kwik";
import { expect, test } from "vitest";
import { pathLines, totalLine } from "./progress-view.ts";

function path(id: number, address: string, state: PathInfo["state"], bytesReceived: number): PathInfo {
  return { id, address, transport: "quic", state, bytesReceived, receiveRate: 12e6 } as PathInfo;
}

test("shows address, transport, state, rate, bytes and share of each path", () => {
  const lines = pathLines([path(0, "127.0.0.1:4433", "active", 30e6), path(1, "127.0.0.1:4434", "dead", 10e6)]);
  expect(lines.map((line) => line.replace(/\s+/g, " "))).toEqual([
    " 127.0.0.1:4433 quic active 12.0 MB/s 30.0 MB 75 %",
    " 127.0.0.1:4434 quic dead 10.0 MB 25 %",
  ]);
});

test("a server that came back has one line", () => {
  const lines = pathLines([path(0, "a:1", "dead", 1e6), path(1, "b:1", "active", 1e6), path(2, "a:1", "active", 2e6)]);
  expect(lines.map((line) => line.trim().split(/\s+/)[0])).toEqual(["b:1", "a:1"]);
});

test("shows how far it is and how long the rest takes", () => {
  expect(totalLine(30e6, 120e6, 30e6)).toBe("  [######------------------] 25 %  30.0 MB of 120 MB  30.0 MB/s, 3.0 s left");
  expect(totalLine(120e6, 120e6, 30e6)).toContain("100 %");
  expect(totalLine(0, 0, 0)).toContain("100 %");
  expect(totalLine(0, 120e6, 0)).not.toContain("left");
});
