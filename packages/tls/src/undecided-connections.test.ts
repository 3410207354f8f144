import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { UndecidedConnections } from "./undecided-connections.ts";

function fakeSocket(port: number): Socket & { destroyed: boolean } {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress: "10.0.0.1",
    remotePort: port,
    destroyed: false,
    destroy: () => undefined,
  });
  socket.destroy = () => {
    socket.destroyed = true;
    socket.emit("close");
  };
  return socket as unknown as Socket & { destroyed: boolean };
}

test("of too many the oldest goes, and those that decided or left do not count", () => {
  const dropped: [number | undefined, string][] = [];
  const undecided = new UndecidedConnections((socket, why) => dropped.push([socket.remotePort, why]), 2);
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(fakeSocket) as [Socket, Socket, Socket, Socket, Socket];
  undecided.add(a);
  undecided.add(b);
  undecided.decide(fakeSocket(1)); // another object with the same address: the TLS socket around it
  undecided.add(c);
  expect([a, b, c].map((socket) => socket.destroyed)).toEqual([false, false, false]);
  undecided.add(d);
  expect([b, c, d].map((socket) => socket.destroyed)).toEqual([true, false, false]);
  c.emit("close");
  undecided.add(e);
  expect([d, e].map((socket) => socket.destroyed)).toEqual([false, false]);
  expect(undecided.size).toBe(2);
  expect(dropped).toEqual([[2, expect.stringContaining("more than 2 undecided")]]);
  undecided.destroy();
  expect([a, d, e].map((socket) => socket.destroyed)).toEqual([false, true, true]);
  expect(undecided.size).toBe(0);
});
