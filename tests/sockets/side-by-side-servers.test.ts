import { EventEmitter, once } from "node:events";
import { describe, expect, test } from "vitest";
import { keptIn, SOCKET_EVENTS } from "./kept-world.ts";
import { type AnySocket, closed, eventsOf, worlds } from "./worlds.ts";

// Each body runs on the servers of Node and on those of kwik, as side-by-side.test.ts does for sockets.

describe.each(worlds)("$name", (world) => {
  const { track, serve, pair } = keptIn(world);

  test("a server counts its connections, and closes after the last of them", async () => {
    const { server, near, far } = await pair();
    const count = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
    expect([await count(), server.listening]).toEqual([1, true]);
    let isClosed = false;
    const closing = closed(server).then(() => (isClosed = true));
    expect([server.listening, server.address()]).toEqual([false, null]);
    near.write("still");
    await expect.poll(() => far.bytesRead).toBe(5);
    expect(isClosed).toBe(false);
    far.resume();
    near.resume();
    near.end();
    await closing;
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({ code: "ERR_SERVER_NOT_RUNNING" });
  });

  test("a server ends what is above maxConnections, and says so; whoever leaves makes room at once", async () => {
    const server = await serve();
    server.maxConnections = 1;
    const first = world.connect(server);
    await Promise.all([once(first, "connect"), once(server, "connection")]);
    const dropped = once(server, "drop");
    const second = world.connect(server);
    const events = eventsOf(second, SOCKET_EVENTS);
    second.resume();
    await Promise.all([dropped, once(second, "close")]);
    expect(events).toEqual(["connect", "ready", "end", "finish", "close false"]);
    expect((await dropped)[0]).toMatchObject({ localAddress: "127.0.0.1", remoteAddress: "127.0.0.1" });
    expect(first.destroyed).toBe(false);
    first.resume().end();
    await once(first, "end");
    await Promise.all([once(server, "connection"), once(world.connect(server), "connect")]);
  });

  test("a server that is closed before it listens never does, and can listen again", async () => {
    const server = world.server();
    const events = eventsOf(server, ["listening", "close"]);
    server.listen({ host: "127.0.0.1", port: 0 });
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({ code: "ERR_SERVER_NOT_RUNNING" });
    expect([server.listening, server.address(), events]).toEqual([false, null, ["close false"]]);
    const abort = new AbortController();
    server.listen({ host: "127.0.0.1", port: 0, signal: abort.signal } as never);
    await once(server, "listening");
    abort.abort();
    await once(server, "close");
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({ code: "ERR_SERVER_NOT_RUNNING" });
  });

  test("a rejection of a connection listener destroys the socket where rejections are captured", async () => {
    EventEmitter.captureRejections = true;
    const server = track(world.server());
    EventEmitter.captureRejections = false;
    const failed = new Promise((resolve) => {
      // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what the test is about
      server.on("connection", async (socket: AnySocket) => {
        socket.on("error", resolve);
        await Promise.reject(Object.assign(new Error("kaboom"), { code: "KABOOM" }));
      });
    });
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    world.connect(server);
    expect(await failed).toMatchObject({ code: "KABOOM" });
  });

  test("a server does not listen twice, nor where somebody does", async () => {
    const server = await serve();
    expect(() => server.listen({ host: "127.0.0.1", port: 0 })).toThrow(expect.objectContaining({ code: "ERR_SERVER_ALREADY_LISTEN" }));
    const other = world.server();
    const failed = once(other, "error");
    other.listen({ host: "127.0.0.1", port: world.routeTo(server).port });
    expect((await failed)[0]).toMatchObject({ code: "EADDRINUSE", syscall: "listen" });
    expect(other.listening).toBe(false);
  });
});
