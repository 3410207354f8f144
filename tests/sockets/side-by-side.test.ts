import { once } from "node:events";
import { Duplex, Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { keptIn, SOCKET_EVENTS } from "./kept-world.ts";
import { type AnySocket, closed, eventsOf, serve as startServer, textOf, worlds } from "./worlds.ts";

// Each body runs on the sockets of Node and on those of kwik: what they do is the same where a program can see it.

describe.each(worlds)("$name", (world) => {
  const { serve, pair } = keptIn(world);

  test("a socket connects, says so, and has addresses and counts", async () => {
    const server = await serve();
    const accepted = once(server, "connection");
    const socket = world.connect(server);
    const events = eventsOf(socket, SOCKET_EVENTS);
    expect([socket.connecting, socket.pending, socket.readyState]).toEqual([true, true, "opening"]);
    expect(socket.setNoDelay().setKeepAlive(true, 10).unref().ref().setTimeout(0)).toBe(socket);
    await once(socket, "ready");
    const [far] = (await accepted) as [AnySocket];
    expect([socket.connecting, socket.pending, socket.readyState]).toEqual([false, false, "open"]);
    expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual(["127.0.0.1", world.routeTo(server).port, "IPv4"]);
    expect([far.remoteAddress, far.localPort, typeof far.remotePort]).toEqual(["127.0.0.1", world.routeTo(server).port, "number"]);
    expect(far.remotePort).not.toBe(far.localPort);
    socket.end("four");
    expect(await textOf(far)).toBe("four");
    if (!socket.closed) await once(socket, "close");
    expect([socket.bytesWritten, far.bytesRead, socket.bytesRead]).toEqual([4, 4, 0]);
    expect(events.slice(0, 2)).toEqual(["connect", "ready"]);
    expect(events.at(-1)).toBe("close false");
    expect(socket.readyState).toBe("closed");
  });

  test("what is written before there is a connection goes first, in order", async () => {
    const server = await serve();
    const accepted = once(server, "connection");
    const socket = world.connect(server);
    const order: string[] = [];
    socket.on("connect", () => order.push("connect"));
    socket.write("a", () => order.push("written"));
    socket.write(new Uint8Array([98]));
    socket.end("Yw==", "base64");
    expect(socket.bytesWritten).toBe(3);
    const [far] = (await accepted) as [AnySocket];
    expect(await textOf(far)).toBe("abc");
    expect(order).toEqual(["connect", "written"]);
  });

  test("the server may speak first", async () => {
    const server = await serve({}, (socket) => socket.end("welcome"));
    expect(await textOf(world.connect(server))).toBe("welcome");
  });

  test("an end is answered with one, and both close without an error", async () => {
    const { near, far } = await pair();
    const [nearEvents, farEvents] = [eventsOf(near, SOCKET_EVENTS), eventsOf(far, SOCKET_EVENTS)];
    far.resume();
    near.resume();
    near.end();
    await Promise.all([once(near, "close"), once(far, "close")]);
    // Here kwik differs in order: it finishes when the other side has everything.
    expect(nearEvents.toSorted()).toEqual(["close false", "end", "finish"]);
    expect(nearEvents.at(-1)).toBe("close false");
    expect(farEvents).toEqual(["end", "finish", "close false"]);
  });

  test("an end is noticed by a side that does not read", async () => {
    const { near, far } = await pair();
    near.end();
    await once(far, "end");
    await once(far, "close");
  });

  test("with allowHalfOpen the other direction goes on", async () => {
    const { near, far } = await pair({ allowHalfOpen: true });
    near.end("question");
    expect(await textOf(far)).toBe("question");
    expect([far.writable, far.destroyed, near.readyState]).toEqual([true, false, "readOnly"]);
    far.end("answer");
    expect(await textOf(near)).toBe("answer");
  });

  test("a write in answer to the other side's end goes out", async () => {
    const { near, far } = await pair();
    far.resume();
    far.once("end", () => far.write("in time"));
    near.end();
    expect(await textOf(near)).toBe("in time");
  });

  test("a write after the other side's end and one's own is EPIPE", async () => {
    const { near, far } = await pair();
    far.resume();
    const failed = once(far, "error");
    const written = new Promise((resolve) => {
      far.once("end", () => {
        far.end();
        far.write("late", resolve);
      });
    });
    near.end();
    expect((await failed)[0]).toMatchObject({ code: "EPIPE" });
    expect(await written).toMatchObject({ code: "EPIPE" });
  });

  test("destroy is an end for the other side, and what was written before arrives", async () => {
    const { near, far } = await pair();
    const events = eventsOf(far, SOCKET_EVENTS);
    near.write("last");
    await expect.poll(() => far.bytesRead).toBe(4);
    near.destroy();
    expect(near.destroyed).toBe(true);
    expect(await textOf(far)).toBe("last");
    if (!far.closed) await once(far, "close");
    expect(events).toEqual(["end", "finish", "close false"]);
  });

  test("what was written in one turn arrives, though the socket is destroyed in the same turn, with an error or without", async () => {
    for (const error of [undefined, new Error("mine")]) {
      const { near, far } = await pair();
      near.on("error", () => undefined);
      const events = eventsOf(far, SOCKET_EVENTS);
      near.write("one ");
      near.write("two ");
      near.write(Buffer.alloc(50_000, "3"));
      near.destroy(error);
      expect((await textOf(far)).length).toBe(50_008);
      if (!far.closed) await once(far, "close");
      expect(events).toEqual(["end", "finish", "close false"]);
    }
  });

  test("resetAndDestroy is ECONNRESET for the other side, and no error here", async () => {
    const { near, far } = await pair();
    const [nearEvents, farEvents] = [eventsOf(near, SOCKET_EVENTS), eventsOf(far, SOCKET_EVENTS)];
    far.resume();
    near.resetAndDestroy();
    await once(far, "close").catch(() => undefined);
    await expect.poll(() => farEvents).toEqual(["error ECONNRESET", "close true"]);
    await expect.poll(() => nearEvents).toEqual(["close false"]);
  });

  test("destroy with an error emits it here, once, before close", async () => {
    const { near, far } = await pair();
    far.on("error", () => undefined);
    const events = eventsOf(near, SOCKET_EVENTS);
    near.destroy(Object.assign(new Error("mine"), { code: "MINE" }));
    near.destroy(new Error("too late"));
    await once(near, "close").catch(() => undefined);
    await expect.poll(() => events).toEqual(["error MINE", "close true"]);
  });

  test("writes to a socket that is destroyed or was never connected fail with Node's codes", async () => {
    const { near } = await pair();
    near.destroy();
    expect(await new Promise((resolve) => near.write("x", resolve))).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
    const fresh = world.socket();
    fresh.on("error", () => undefined);
    expect(await new Promise((resolve) => fresh.write("x", resolve))).toMatchObject({ code: "ERR_SOCKET_CLOSED" });
  });

  test("a socket that is destroyed while it connects fails its writes and closes", async () => {
    const server = await serve();
    const socket = world.connect(server);
    const events = eventsOf(socket, SOCKET_EVENTS);
    const written = new Promise((resolve) => socket.write("x", resolve));
    socket.destroy();
    expect(await written).toMatchObject({ code: "ERR_SOCKET_CLOSED_BEFORE_CONNECTION" });
    await expect.poll(() => events).toEqual(["close false"]);
    expect(socket.connecting).toBe(false);
  });

  test("a socket that was destroyed reports no write that is under way as done", async () => {
    const { near } = await pair({ pauseOnConnect: true });
    const block = Buffer.alloc(1 << 20, 7);
    while (await Promise.race([new Promise<boolean>((done) => near.write(block, () => done(true))), quiet(near)]));
    const failed = new Promise((resolve) => near.write("x", resolve));
    near.destroy();
    expect(await failed).toMatchObject({ code: expect.stringMatching(/ECANCELED|ERR_STREAM_DESTROYED/) as string });
  });

  test("a closed socket connects again and again without a listener more", async () => {
    const server = await serve({}, (socket) => socket.end("hi"));
    const socket = world.connect(server);
    let listeners = 0;
    for (let round = 0; round < 12; round += 1) {
      expect(await textOf(socket)).toBe("hi");
      if (!socket.closed) await once(socket, "close");
      const count = socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0);
      if (round === 1) listeners = count;
      else if (round > 1) expect(count).toBe(listeners);
      socket.removeAllListeners("data");
      socket.connect(world.routeTo(server));
    }
    socket.destroy();
  });

  test("options of wrong types throw with Node's codes", () => {
    const socket = world.socket({ allowHalfOpen: undefined as unknown as boolean });
    expect(socket.allowHalfOpen).toBe(false);
    expect(() => socket.setTimeout("1" as never)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
    expect(() => socket.setTimeout(1, "x" as never)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
    expect(() => world.socket({ objectMode: true } as never)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_VALUE" }));
    for (const [options, code] of [
      [{ port: true }, "ERR_INVALID_ARG_TYPE"],
      [{ port: "" }, "ERR_SOCKET_BAD_PORT"],
      [{ port: 1, host: 5 }, "ERR_INVALID_ARG_TYPE"],
      [{ port: 1, lookup: "x" }, "ERR_INVALID_ARG_TYPE"],
      [{ port: 1, localAddress: "x" }, "ERR_INVALID_IP_ADDRESS"],
      [{ port: 1, autoSelectFamily: "x" }, "ERR_INVALID_ARG_TYPE"],
      [{ port: 1, autoSelectFamilyAttemptTimeout: 0 }, "ERR_OUT_OF_RANGE"],
    ] as const)
      expect(() => world.socket().connect({ host: "localhost", ...options } as never), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code }),
      );
    for (const [options, code] of [
      [{ port: 70_000 }, "ERR_SOCKET_BAD_PORT"],
      [{ port: false }, "ERR_INVALID_ARG_VALUE"],
      [{}, "ERR_INVALID_ARG_VALUE"],
      [{ port: 0, signal: "x" }, "ERR_INVALID_ARG_TYPE"],
    ] as const)
      expect(() => world.server().listen(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code }));
  });

  test("a signal destroys a socket, connecting or not, and one that was aborted before", async () => {
    const server = await serve();
    const early = world.connect(server, { signal: AbortSignal.abort() });
    expect((await once(early, "error"))[0]).toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
    const abort = new AbortController();
    const socket = world.connect(server, { signal: abort.signal });
    const failed = once(socket, "error");
    abort.abort();
    expect((await failed)[0]).toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
  });

  test("timeout comes when nothing moved, again after the next movement, and does not close", async () => {
    const { near, far } = await pair();
    far.resume();
    const times: number[] = [];
    near.setTimeout(30, () => times.push(1));
    expect(near.timeout).toBe(30);
    await once(near, "timeout");
    expect([times.length, near.destroyed]).toEqual([1, false]);
    near.write("x");
    await once(near, "timeout");
    near.setTimeout(0);
    expect(near.timeout).toBe(0);
    expect(() => near.setTimeout(-1)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  });

  test("a reader that stops stops the writer, and drain comes when it goes on", async () => {
    const { near, far } = await pair({ pauseOnConnect: true });
    expect([far.isPaused(), far.bytesRead]).toEqual([true, 0]);
    const block = Buffer.alloc(1 << 20, 7);
    let sent = 0;
    // The write that is not called back is the one that waits for the reader.
    while (await Promise.race([new Promise<boolean>((done) => near.write(block, () => done(true))), quiet(near)])) sent += block.length;
    expect(near.write(block)).toBe(false);
    expect(near.writableNeedDrain).toBe(true);
    expect(near.bytesWritten).toBe(sent + 2 * block.length);
    const drained = once(near, "drain");
    far.resume();
    await drained;
    near.end();
    await once(far, "end");
    expect(far.bytesRead).toBe(sent + 2 * block.length);
  });

  test("pause holds back what comes, resume gives it", async () => {
    const { near, far } = await pair();
    const seen: string[] = [];
    far.setEncoding("utf8");
    far.on("data", (text: string) => seen.push(text));
    far.pause();
    await new Promise((resolve) => near.write("held", resolve));
    await expect.poll(() => far.bytesRead).toBe(4);
    expect(seen).toEqual([]);
    far.resume();
    await expect.poll(() => seen).toEqual(["held"]);
  });

  test("cork holds writes together until uncork", async () => {
    const { near, far } = await pair();
    near.cork();
    near.write("a");
    near.write("b");
    expect(near.writableLength).toBe(2);
    near.uncork();
    near.end("c");
    expect(await textOf(far)).toBe("abc");
  });

  test("destroySoon sends what was written", async () => {
    const { near, far } = await pair();
    near.write("x".repeat(3_000_000));
    near.destroySoon();
    expect(near.destroyed).toBe(false);
    expect((await textOf(far)).length).toBe(3_000_000);
    if (!near.closed) await once(near, "close");
  });

  test("pipe, pipeline and web streams carry every byte, both ways", async () => {
    const server = await serve({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    const data = Buffer.from(Array.from({ length: 5_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
    const blocks = (): Readable => Readable.from(Array.from({ length: 50 }, (_, i) => data.subarray(i * 100_000, (i + 1) * 100_000)));
    const piped = world.connect(server, { allowHalfOpen: true });
    const parts: Buffer[] = [];
    const collect = new Writable({
      write: (part: Buffer, _encoding, done) => {
        parts.push(part);
        done();
      },
    });
    await Promise.all([pipeline(blocks(), piped), pipeline(piped, collect)]);
    expect(Buffer.concat(parts).equals(data)).toBe(true);
    let iterated = 0;
    for await (const part of blocks().pipe(world.connect(server, { allowHalfOpen: true }))) iterated += (part as Buffer).length;
    expect(iterated).toBe(data.length);
    const { readable, writable } = Duplex.toWeb(world.connect(server, { allowHalfOpen: true }));
    const [back] = await Promise.all([new Response(readable as ReadableStream).bytes(), Readable.toWeb(blocks()).pipeTo(writable)]);
    expect(data.equals(back)).toBe(true);
  });

  test("a closed socket can connect again", async () => {
    const server = await serve({}, (socket) => socket.end("hi"));
    const socket = world.connect(server);
    expect(await textOf(socket)).toBe("hi");
    if (!socket.closed) await once(socket, "close");
    socket.connect(world.routeTo(server));
    expect(await textOf(socket)).toBe("hi");
  });

  // QUIC hears of nobody: only when its time is over (handshakeTimeoutMs) it is clear that nobody is there.
  test("nobody there is ECONNREFUSED, with the words of a system call", { timeout: 20_000 }, async () => {
    const server = await startServer(world);
    const { port } = world.routeTo(server);
    await closed(server);
    const socket = world.socket();
    const events = eventsOf(socket, SOCKET_EVENTS);
    socket.connect(world.routeTo(port));
    await once(socket, "error");
    await expect.poll(() => events).toEqual(["error ECONNREFUSED", "close true"]);
    const again = once(world.socket().connect(world.routeTo(port)), "error");
    const [error] = (await again) as [NodeJS.ErrnoException];
    expect(error).toMatchObject({ code: "ECONNREFUSED", errno: -111, syscall: "connect", address: "127.0.0.1", port });
    expect(error.message).toContain(`connect ECONNREFUSED 127.0.0.1:${port}`);
  });

  test("a name that nobody knows is ENOTFOUND", async () => {
    const [error] = await once(world.socket().connect({ host: "no-such-host.invalid", port: 9 }), "error");
    expect(["ENOTFOUND", "EAI_AGAIN"]).toContain((error as NodeJS.ErrnoException).code);
    expect(error).toMatchObject({ syscall: "getaddrinfo" });
  });

  test("ports that are none are refused at once", () => {
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      expect(() => world.socket().connect({ host: "127.0.0.1", port }), String(port)).toThrow(
        expect.objectContaining({ code: "ERR_SOCKET_BAD_PORT" }),
      );
    }
    expect(() => world.socket().connect({ host: "127.0.0.1" } as never)).toThrow(expect.objectContaining({ code: "ERR_MISSING_ARGS" }));
  });
});

/** False once a socket has taken nothing for a while. */
async function quiet(socket: AnySocket): Promise<false> {
  for (let before = -1; before !== socket.writableLength; ) {
    before = socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return false;
}
