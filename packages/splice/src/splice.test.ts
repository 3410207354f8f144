import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { splice, type TunnelEnd } from "./splice.ts";

test("what breaks off while the end of the socket is on its way out is over all the same", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = await new Promise<Socket>((resolve) => {
    const made = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true }, () => resolve(made));
  });
  const done = (): Promise<void> => Promise.resolve();
  const nothing = (): void => undefined;
  const ended: TunnelEnd = {
    read: () => Promise.resolve(null),
    write: done,
    close: done,
    flushed: done,
    reset: nothing,
    stopReading: nothing,
    abort: nothing,
  };
  const outcome = splice(socket, ended, { idleTimeoutMs: 0, halfCloseTimeoutMs: 0 });
  while (!socket.writableEnded) await Promise.resolve();
  // The system has not been told of the end yet, and refuses a reset until then.
  await new Promise((resolve) => process.nextTick(resolve));
  expect(socket.writableFinished).toBe(false);
  socket.emit("timeout");
  expect(await outcome).toMatchObject({ end: "idle" });
  expect(socket.destroyed).toBe(true);
  server.close();
});
