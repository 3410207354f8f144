import { firstDifference, patternBytes } from "@kwik/testkit";
import type { Listener, ServerSession, Stream } from "kwik";
import { Dice } from "../plan/dice.ts";
import { describeSession } from "./describe-session.ts";
import { checkedEnd, endingOf } from "./ending.ts";
import { OnceOnly } from "./once-only.ts";
import { patternContent } from "./pattern-content.ts";
import { readPattern, writePattern } from "./pattern-stream.ts";
import type { StallWatch, Watched } from "./stall-watch.ts";
import { BrokenInvariant, CANCEL_CODES, CLOSE_CODE, encodeRequest, readRequest, replyKey, type StreamRequest } from "./stream-request.ts";
import type { TallyBook } from "./tally.ts";

const RAW_BYTES = 700;
const NONCE_BYTES = 8;
const ALLOWED = [...Object.values(CANCEL_CODES), CLOSE_CODE];

export interface SessionServerOptions {
  /** "host:port" of the other servers. */
  readonly peers: readonly string[];
  readonly seed: number;
  readonly tally: TallyBook;
  readonly watch: StallWatch;
  onViolation(text: string): void;
}

/** What a server does with the sessions that it accepts. */
export class SessionServer {
  readonly #options: SessionServerOptions;
  readonly #dice: Dice;
  /** Sessions that are served, until everything of them has ended. */
  #serving = 0;
  #nonces = 0;

  constructor(options: SessionServerOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed);
  }

  get serving(): number {
    return this.#serving;
  }

  /** Until the listener closes. */
  async serve(listener: Listener): Promise<void> {
    for await (const session of listener) void this.#serveSession(session);
  }

  async #serveSession(session: ServerSession): Promise<void> {
    const { tally, watch } = this.#options;
    this.#serving += 1;
    tally.add("server session began: ", 1);
    if (session.role === "primary" && this.#dice.chance(0.7)) this.#addPeers(session);
    const tasks = [this.#serveStreams(session), this.#serveDatagrams(session), this.#serveRaw(session)];
    try {
      tally.add(`server session ended: ${checkedEnd(await session.closed)}`);
      await watch.during(
        () => `what belongs to session ${session.id}, which is over,`,
        () => Promise.all(tasks),
      );
    } catch (error) {
      this.#blame(error);
    }
    this.#serving -= 1;
  }

  #addPeers(session: ServerSession): void {
    for (const address of this.#options.peers) {
      session.addPath(address).catch((error: unknown) => this.#note("addPath", error));
    }
  }

  async #serveStreams(session: ServerSession): Promise<void> {
    const tasks = new Set<Promise<void>>();
    try {
      for await (const stream of session.incomingStreams()) {
        const task = this.#serveStream(session, stream).finally(() => tasks.delete(task));
        tasks.add(task);
      }
    } catch (error) {
      this.#note("incoming streams", error);
    }
    await Promise.all(tasks);
  }

  async #serveStream(session: ServerSession, stream: Stream): Promise<void> {
    const { tally, watch } = this.#options;
    await watch.during(
      () => `served stream ${stream.id} of ${describeSession(session)},`,
      async (watched) => {
        try {
          const request = await readRequest(stream);
          if (request === undefined) return;
          await this.#answer(session, stream, request, watched);
          tally.add("served: whole");
        } catch (error) {
          this.#note("served", error);
          // As an application would: what one half cannot do, the other does not go on with.
          stream.reset(CANCEL_CODES.reset);
          stream.stopReading(CANCEL_CODES.stopReading);
        }
      },
    );
  }

  async #answer(session: ServerSession, stream: Stream, request: StreamRequest, watched: Watched): Promise<void> {
    const { tally } = this.#options;
    const key = replyKey(request);
    const onRead = (bytes: number): void => {
      watched.progress();
      tally.add("bytes up", bytes);
    };
    const reading = readPattern(stream, request.key, request.requestBytes, onRead).then((got) => {
      if (got !== request.requestBytes)
        throw new BrokenInvariant(`stream ${stream.id} ended after ${got} bytes of ${request.requestBytes}`);
    });
    // Whether the reply goes on, its reader sees.
    await both(
      reading.then(() => watched.unseen()),
      this.#reply(session, stream, request, key, watched),
    );
  }

  async #reply(session: ServerSession, stream: Stream, request: StreamRequest, key: number, watched: Watched): Promise<void> {
    switch (request.kind) {
      case "exchange":
        await writePattern(stream, key, request.replyBytes, this.#dice, () => watched.progress());
        await stream.close();
        return;
      case "content":
        await stream.sendContent(patternContent(request.key), { end: true });
        return;
      case "push": {
        const push = await session.openUniStreamSync();
        await push.write(encodeRequest(request));
        await writePattern(push, key, request.replyBytes, this.#dice, () => watched.progress());
        await push.close();
        await stream.close();
        return;
      }
      case "raw":
        await this.#askAnother(session);
        await stream.close();
    }
  }

  /** At most once, and if it is answered then rightly. */
  async #askAnother(session: ServerSession): Promise<void> {
    const others = session.activePaths().filter((path) => !path.local);
    if (others.length === 0) return;
    const data = patternBytes(this.#dice.whole(0, 1_000_000), 0, RAW_BYTES);
    this.#nonces += 1;
    new DataView(data.buffer).setFloat64(0, this.#options.seed * 1e6 + this.#nonces);
    try {
      const reply = await session.sendRaw(data, this.#dice.oneOf(others).id);
      if (!Buffer.from(reply).equals(data)) throw new BrokenInvariant("a raw message came back otherwise");
      this.#options.tally.add("raw: answered");
    } catch (error) {
      this.#note("raw", error);
    }
  }

  async #serveRaw(session: ServerSession): Promise<void> {
    const seen = new OnceOnly(`raw message of session ${session.id}`);
    session.onRaw(({ data }) => {
      try {
        seen.add(new DataView(data.buffer, data.byteOffset).getFloat64(0));
      } catch (error) {
        this.#blame(error);
      }
      this.#options.tally.add("raw: served");
      return data;
    });
  }

  /** Each datagram at most once, and back. */
  async #serveDatagrams(session: ServerSession): Promise<void> {
    const seen = new OnceOnly(`datagram of session ${session.id}`);
    try {
      for (;;) {
        const data = await session.receiveDatagram();
        seen.add(new DataView(data.buffer, data.byteOffset).getFloat64(0));
        if (firstDifference(0, 0, data.subarray(NONCE_BYTES)) !== undefined) throw new BrokenInvariant("a datagram has other bytes");
        this.#options.tally.add("datagrams: at servers");
        session.sendDatagram(data, { over: this.#dice.oneOf(["best", "all"] as const) });
      }
    } catch (error) {
      this.#note("datagrams", error);
    }
  }

  /** Counts how something ended, which has to be in a way that is allowed. */
  #note(what: string, error: unknown): void {
    try {
      this.#options.tally.add(`${what}: ${endingOf(error, ALLOWED)}`);
    } catch (broken) {
      this.#blame(broken, what);
    }
  }

  #blame(error: unknown, what = ""): void {
    this.#options.onViolation(
      `${what} ${error instanceof BrokenInvariant ? error.message : String((error as Error).stack ?? error)}`.trim(),
    );
  }
}

/** Waits for both, also when one fails: nothing goes on unseen. The first failure is thrown. */
async function both(...work: readonly Promise<unknown>[]): Promise<void> {
  const failure = (await Promise.allSettled(work)).find((outcome) => outcome.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}
