import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { ClientSession, Contribution, ReceiveStream, SendStream, ServerSession, Stream } from "@kwik/core";
import { SeededRng } from "@kwik/proto";
import { patternBytes } from "@kwik/testkit";
import { expect, test } from "vitest";
import { TestCluster, type TestServer } from "./pair.ts";
import { film } from "./watching.ts";

/** Cases of each run of the tests; KWIK_RUNS asks for more. */
const RUNS = Number(process.env.KWIK_RUNS ?? 30);
const ACTIONS = 80;
const DATA = patternBytes(4, 0, 1_200_000);
/** As much as one new stream may send, a little of it, and more than fits. */
const SIZES = [0, 1, 1000, 256 * 1024, 300_000];

/** A content whose disk fails in the middle. */
const BROKEN = {
  id: "broken",
  version: "1",
  length: BigInt(DATA.length),
  read: async (offset: bigint, length: number) => {
    if (offset > 0n) throw new Error("the disk is gone");
    return DATA.slice(0, length);
  },
};

/** Calls that have not been answered yet, by what they are. */
class Waits {
  readonly #open = new Map<Promise<unknown>, string>();

  add<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
    let promise: Promise<T>;
    try {
      promise = call();
    } catch {
      return Promise.resolve(undefined);
    }
    this.#open.set(promise, what);
    return promise.catch(() => undefined).finally(() => this.#open.delete(promise));
  }

  get open(): readonly string[] {
    return [...this.#open.values()];
  }
}

/** Does anything with two sessions over two servers and all of their streams, in any order. */
class Play {
  readonly waits = new Waits();
  readonly #rng: SeededRng;
  readonly #senders: SendStream[] = [];
  readonly #readers: ReceiveStream[] = [];
  /** A stream is used as a web stream or by its own calls, not both. */
  readonly #webSenders: SendStream[] = [];
  readonly #webReaders: ReceiveStream[] = [];
  readonly #pullers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  readonly #contributions: Contribution[] = [];
  readonly #client: ClientSession;
  readonly #servers: readonly ServerSession[];
  readonly #addresses: readonly string[];

  constructor(rng: SeededRng, client: ClientSession, servers: readonly ServerSession[], addresses: readonly string[]) {
    this.#rng = rng;
    this.#client = client;
    this.#servers = servers;
    this.#addresses = addresses;
  }

  whole(most: number): number {
    return Math.floor(this.#rng.next() * most);
  }

  oneOf<T>(choices: readonly T[]): T | undefined {
    return choices[this.whole(choices.length)];
  }

  act(): void {
    const session = this.oneOf([this.#client, this.#client, ...this.#servers]) as ClientSession | ServerSession;
    const sender = this.oneOf(this.#senders);
    const reader = this.oneOf(this.#readers);
    switch (this.whole(19)) {
      case 0:
      case 1:
        void this.waits
          .add("openStreamSync", () => session.openStreamSync(this.#place(session)))
          .then((stream) => this.#keep(stream, stream));
        return;
      case 2:
        void this.waits
          .add("openUniStreamSync", () => session.openUniStreamSync(this.#place(session)))
          .then((stream) => this.#keep(stream, undefined));
        return;
      case 3:
        void this.waits.add("acceptStream", () => session.acceptStream()).then((stream) => this.#keep(stream, stream));
        return;
      case 4:
        void this.waits.add("acceptUniStream", () => session.acceptUniStream()).then((stream) => this.#keep(undefined, stream));
        return;
      case 5:
      case 6:
        if (sender !== undefined) void this.waits.add("write", () => sender.write(new Uint8Array(this.oneOf(SIZES) ?? 0)));
        return;
      case 7:
        if (sender !== undefined) void this.waits.add("close", () => sender.close());
        return;
      case 8:
        if (sender !== undefined) void this.waits.add("flushed", () => sender.flushed());
        return;
      case 9:
        if (reader !== undefined) void this.waits.add("read", () => reader.read());
        return;
      case 10:
        if (reader !== undefined) void this.waits.add("readInto", () => reader.readInto(new Uint8Array(100_000)));
        return;
      case 11:
        if (this.whole(2) === 0) sender?.reset(5);
        else reader?.stopReading(6);
        return;
      case 12:
        this.#content(sender);
        return;
      case 13:
        this.#contribute(sender);
        return;
      case 14:
        this.#webStreams(this.oneOf(this.#webSenders), this.oneOf(this.#webReaders));
        return;
      case 15:
        this.#control();
        return;
      case 16:
        this.#withSignal(session);
        return;
      case 17:
        void this.waits.add("receiveDatagram", () => session.receiveDatagram());
        session.sendDatagram(new Uint8Array(this.whole(1500)));
        return;
      default:
        void this.waits.add("events", () => session.events()[Symbol.asyncIterator]().next());
    }
  }

  /** One half belongs to whoever took it first: that a second one is refused is an answer too. */
  #webStreams(sender: SendStream | undefined, reader: ReceiveStream | undefined): void {
    if (sender !== undefined && !sender.writable.locked) {
      const writer = sender.writable.getWriter();
      void this.waits.add("writer.write", () => writer.write(new Uint8Array(this.oneOf(SIZES) ?? 0)));
      void this.waits.add("writer.ready", () => writer.ready);
      void this.waits.add("writer.closed", () => writer.closed);
      const last = this.whole(3);
      if (last === 0) void this.waits.add("writer.close", () => writer.close());
      else if (last === 1) void this.waits.add("writer.abort", () => writer.abort(3));
    }
    if (reader === undefined || reader.readable.locked) return;
    const puller = reader.readable.getReader();
    void this.waits.add("reader.read", () => puller.read());
    void this.waits.add("reader.closed", () => puller.closed);
    this.#pullers.push(puller);
    if (this.whole(2) === 0) void this.waits.add("reader.cancel", () => puller.cancel(4));
  }

  /** What has come before the end is there to be read, and the end of a web stream behind it. */
  readTheRest(): void {
    const rest = async (puller: ReadableStreamDefaultReader<Uint8Array>): Promise<void> => {
      while (!(await puller.read()).done);
    };
    for (const puller of this.#pullers) void this.waits.add("the rest of a web stream", () => rest(puller));
  }

  /** What servers ask of their client. */
  #control(): void {
    const server = this.oneOf(this.#servers) as ServerSession;
    const path = this.oneOf(server.allPaths())?.id ?? 0;
    switch (this.whole(3)) {
      case 0:
        void this.waits.add("sendRaw", () => server.sendRaw(new Uint8Array(10), path));
        return;
      case 1:
        void this.waits.add("removePath", () => server.removePath(path, { graceMs: this.whole(20) }));
        return;
      default:
        void this.waits.add("addPath", () => server.addPath(this.oneOf(this.#addresses) ?? "127.0.0.1:1"));
    }
  }

  #withSignal(session: ClientSession | ServerSession): void {
    const stop = new AbortController();
    const { signal } = stop;
    void this.waits
      .add("openStreamSync with a signal", () => session.openStreamSync({ signal }))
      .then((stream) => this.#keep(stream, stream));
    void this.waits.add("acceptStream with a signal", () => session.acceptStream({ signal })).then((stream) => this.#keep(stream, stream));
    void this.waits.add("receiveDatagram with a signal", () => session.receiveDatagram({ signal }));
    if (this.whole(2) === 0) stop.abort();
    else setTimeout(() => stop.abort(), this.whole(20));
  }

  #content(sender: SendStream | undefined): void {
    if (sender === undefined || !("sendContent" in sender)) return;
    const stream = sender as Stream;
    const source = this.whole(3) === 0 ? BROKEN : film(DATA);
    void this.waits.add("sendContent", () => stream.sendContent(source, { end: this.whole(2) === 0 }));
  }

  #contribute(sender: SendStream | undefined): void {
    const contribution = this.oneOf(this.#contributions);
    if (contribution !== undefined && this.whole(2) === 0) {
      void this.waits.add("contribution.write", () => contribution.write(new Uint8Array(this.oneOf(SIZES) ?? 0)));
      if (this.whole(3) === 0) void this.waits.add("contribution.close", () => contribution.close());
      return;
    }
    const server = this.oneOf(this.#servers);
    if (sender === undefined || server === undefined) return;
    try {
      if (this.whole(2) === 0) sender.skip(50_000);
      const at = this.whole(3) === 0 ? 25_000n : 0n;
      this.#contributions.push(server.contribute({ streamId: sender.id, offset: at }));
    } catch {
      // A client's stream, one of this server's own, or one that has ended.
    }
  }

  #keep(sender: SendStream | undefined, reader: ReceiveStream | undefined): void {
    const isWeb = this.whole(4) === 0;
    if (sender !== undefined) (isWeb ? this.#webSenders : this.#senders).push(sender);
    if (reader !== undefined) (isWeb ? this.#webReaders : this.#readers).push(reader);
  }

  #place(session: ClientSession | ServerSession): { pathId?: number } {
    if (session !== this.#client || this.whole(2) === 0) return {};
    const id = this.oneOf(session.stats().paths)?.id;
    return id === undefined ? {} : { pathId: id };
  }
}

/** What befalls the sessions in the middle of it. */
async function trouble(play: Play, cluster: TestCluster, servers: readonly TestServer[]): Promise<void> {
  const server = play.oneOf(servers) as TestServer;
  switch (play.whole(4)) {
    case 0:
      cluster.network.crash(server.address);
      return;
    case 1:
      void play.waits.add("listener.close", () => server.listener.close());
      return;
    case 2:
      cluster.network.unplug(server.address);
      await pause(play.whole(30));
      cluster.network.plug(server.address);
      return;
    default:
  }
}

async function end(play: Play, client: ClientSession, server: ServerSession): Promise<void> {
  switch (play.whole(3)) {
    case 0:
      void play.waits.add("server.closeWithError", () => server.closeWithError(7, "the end"));
      break;
    case 1:
      void play.waits.add("client.close", () => client.close());
      break;
    default:
  }
  await (play.whole(2) === 0 ? turn() : pause(5));
  // A close waits for those who read; the play is over.
  void play.waits.add("client.closeWithError", () => client.closeWithError(8, "the end"));
}

// spec: CLOSE-2, CLOSE-3
test("whatever was called, and however it ends, nobody waits for anything after the end", async () => {
  for (let run = 0; run < RUNS; run += 1) {
    const rng = new SeededRng(run + 1);
    await using cluster = new TestCluster({ shape: { delayMs: Math.floor(rng.next() * 4) } });
    const content = { open: async () => film(DATA) };
    const servers = [await cluster.serve({ content }), await cluster.serve({ content })] as const;
    const client = await cluster.dial(servers[0], { servers: [servers[1].listener.url], limits: { graceMs: 200 } });
    const sessions = await Promise.all(servers.map((server) => server.next()));
    const play = new Play(
      rng,
      client,
      sessions,
      servers.map(({ address }) => address),
    );
    const troubleAt = play.whole(2 * ACTIONS);
    for (let action = 0; action < ACTIONS; action += 1) {
      play.act();
      if (action === troubleAt) await trouble(play, cluster, servers);
      const rest = play.whole(6);
      if (rest === 0) await turn();
      else if (rest === 1) await Promise.resolve();
      else if (rest === 2) await pause(play.whole(4));
    }
    await end(play, client, sessions[0] as ServerSession);
    await client.closed;
    // Servers that are out of the client's reach wait for it as long as they may.
    for (const session of sessions) void play.waits.add("server.closeWithError", () => session.closeWithError(8, "the end"));
    play.readTheRest();
    await expect.poll(() => play.waits.open, { timeout: 20_000, message: `seed ${run + 1}` }).toEqual([]);
    for (const { listener } of servers) expect(listener.stats().sendBufferBytes, `seed ${run + 1}`).toBe(0);
  }
}, 120_000);
