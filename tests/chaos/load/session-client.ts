import { setTimeout as pause } from "node:timers/promises";
import { firstDifference, patternBytes } from "@kwik/testkit";
import { type ClientSession, dial, type DialOptions, type PathInfo, type ReceiveStream } from "kwik";
import { Dice } from "../plan/dice.ts";
import type { DiskWriter } from "./disk-writer.ts";
import { describeSession } from "./describe-session.ts";
import { checkedEnd, endingOf } from "./ending.ts";
import { OnceOnly } from "./once-only.ts";
import { readPattern } from "./pattern-stream.ts";
import type { StallWatch } from "./stall-watch.ts";
import { runStream } from "./stream-client.ts";
import { BrokenInvariant, CLOSE_CODE, readRequest, replyKey } from "./stream-request.ts";
import type { TallyBook } from "./tally.ts";

const NONCE_BYTES = 8;
const MAX_DATAGRAM_BYTES = 2_000;
const MAX_PAUSE_MS = 300;

export interface SessionClientOptions {
  /** "host:port" of each server. */
  readonly servers: readonly string[];
  /** Authority of the servers, PEM. */
  readonly ca: string;
  readonly graceMs: number;
  /** Streams at a time in each session. */
  readonly streams: number;
  readonly maxLifeMs: number;
  readonly seed: number;
  readonly disk: DiskWriter;
  readonly tally: TallyBook;
  readonly watch: StallWatch;
  onViolation(text: string): void;
}

/** Sessions one after the other, each with many streams, until it is stopped. */
export class SessionClient {
  readonly #options: SessionClientOptions;
  readonly #dice: Dice;
  readonly #stopping = new AbortController();

  constructor(options: SessionClientOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed);
  }

  /** No further streams and sessions. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when it was stopped and everything has ended. */
  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const session = await this.#dial();
        if (session !== undefined) await this.#live(session);
      } catch (error) {
        this.#blame(error);
      }
      await pause(this.#dice.whole(0, MAX_PAUSE_MS));
    }
  }

  async #dial(): Promise<ClientSession | undefined> {
    const { servers, ca, graceMs, tally, watch } = this.#options;
    const dice = this.#dice;
    const first = dice.whole(0, servers.length - 1);
    const others = servers.filter((_, index) => index !== first).map((address) => `kwik://${address}`);
    const transport = dice.oneOf([undefined, undefined, undefined, "quic", "tcp", "websocket"] as const);
    const options: DialOptions = {
      trust: { ca },
      pathPolicy: { allowPrivateAddresses: true },
      limits: { graceMs },
      early: dice.chance(0.2),
      ...(dice.chance(0.5) ? { servers: others } : {}),
      ...(transport === undefined ? {} : { transport }),
    };
    try {
      const session = await watch.during(
        () => `a dial of ${servers[first] ?? ""} over ${transport ?? "any transport"}`,
        () => dial(`kwik://${servers[first] ?? ""}`, options),
      );
      tally.add("sessions dialled");
      session.ready.catch((error: unknown) => this.#note("session not ready", error));
      return session;
    } catch (error) {
      this.#note("dial failed", error);
      return undefined;
    }
  }

  async #live(session: ClientSession): Promise<void> {
    const { tally, watch, streams, maxLifeMs } = this.#options;
    const dice = this.#dice;
    const over = new AbortController();
    const background = [this.#watchEvents(session), this.#acceptPushes(session), this.#acceptDatagrams(session)];
    const work = [
      this.#sendDatagrams(session, over.signal),
      ...Array.from({ length: streams }, () => this.#openStreams(session, over.signal)),
    ];
    await this.#lifetime(session, dice.whole(maxLifeMs / 10, maxLifeMs));
    over.abort();
    const ending = dice.oneOf(["finish", "finish", "close", "abandon"] as const);
    if (ending === "finish") await Promise.all(work);
    await watch.during(
      () => `${ending} of ${describeSession(session)},`,
      async (watched) => {
        // A close waits for what was written.
        const beat = setInterval(() => session.stats().openStreams > 0 && watched.progress(), 1_000);
        try {
          await (ending === "abandon" ? session.closeWithError(CLOSE_CODE, "chaos") : session.close());
          tally.add(`session ended: ${checkedEnd(await session.closed)}`);
        } finally {
          clearInterval(beat);
        }
      },
    );
    await watch.during(
      () => `what belongs to session ${session.id}, which is over,`,
      () => Promise.all([...work, ...background]),
    );
  }

  /** Waits for `ms`, for the session's own end, or for that of the run. */
  async #lifetime(session: ClientSession, ms: number): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopping.signal]);
    await Promise.race([pause(ms, undefined, { signal }).catch(() => undefined), session.closed]);
    over.abort();
  }

  async #openStreams(session: ClientSession, signal: AbortSignal): Promise<void> {
    const { tally, watch, disk } = this.#options;
    while (!signal.aborted) {
      const dice = new Dice(this.#dice.whole(0, 2 ** 31));
      try {
        tally.add("streams opened");
        await watch.during(
          () => `a stream of ${describeSession(session)},`,
          (watched) => runStream(session, { dice, disk, tally, watched, pathId: this.#pathFor(session), signal }),
        );
        tally.add("stream ended: whole");
      } catch (error) {
        // Which of its own codes a stream may end with is judged where it is known; here, that of a session that was given up.
        this.#note("stream ended", error);
      }
      await pause(dice.whole(0, MAX_PAUSE_MS));
    }
  }

  /** A third of the streams live at another server than the primary. */
  #pathFor(session: ClientSession): number | undefined {
    if (!this.#dice.chance(0.33)) return undefined;
    const active = session.stats().paths.filter((path: PathInfo) => path.state === "active");
    return active.length === 0 ? undefined : this.#dice.oneOf(active).id;
  }

  async #acceptPushes(session: ClientSession): Promise<void> {
    const tasks = new Set<Promise<void>>();
    try {
      for (;;) {
        const stream = await session.acceptUniStream();
        const task = this.#readPush(session, stream).finally(() => tasks.delete(task));
        tasks.add(task);
      }
    } catch (error) {
      this.#note("pushes", error);
    }
    await Promise.all(tasks);
  }

  async #readPush(session: ClientSession, stream: ReceiveStream): Promise<void> {
    const { tally, watch } = this.#options;
    await watch.during(
      () => `pushed stream ${stream.id} of session ${session.id}`,
      async (watched) => {
        try {
          const request = await readRequest(stream);
          if (request === undefined) throw new BrokenInvariant(`pushed stream ${stream.id} ended without a word`);
          const got = await readPattern(stream, replyKey(request), request.replyBytes, (bytes) => {
            watched.progress();
            tally.add("bytes down", bytes);
          });
          if (got !== request.replyBytes)
            throw new BrokenInvariant(`pushed stream ${stream.id} ended after ${got} bytes of ${request.replyBytes}`);
          tally.add("push: whole");
        } catch (error) {
          this.#note("push", error);
        }
      },
    );
  }

  async #sendDatagrams(session: ClientSession, signal: AbortSignal): Promise<void> {
    for (let number = 1; !signal.aborted; number += 1) {
      const data = patternBytes(0, -NONCE_BYTES, NONCE_BYTES + this.#dice.whole(0, MAX_DATAGRAM_BYTES));
      new DataView(data.buffer).setFloat64(0, number);
      try {
        session.sendDatagram(data, { over: this.#dice.oneOf(["best", "all"] as const) });
      } catch (error) {
        this.#note("datagrams", error);
        return;
      }
      await pause(this.#dice.whole(20, 200), undefined, { signal }).catch(() => undefined);
    }
  }

  async #acceptDatagrams(session: ClientSession): Promise<void> {
    const seen = new OnceOnly(`datagram back in session ${session.id}`);
    try {
      for (;;) {
        const data = await session.receiveDatagram();
        seen.add(new DataView(data.buffer, data.byteOffset).getFloat64(0));
        if (firstDifference(0, 0, data.subarray(NONCE_BYTES)) !== undefined) throw new BrokenInvariant("a datagram has other bytes");
        this.#options.tally.add("datagrams: back");
      }
    } catch (error) {
      this.#note("datagrams", error);
    }
  }

  async #watchEvents(session: ClientSession): Promise<void> {
    for await (const event of session.events()) {
      this.#options.tally.add(`event: ${event.type}`);
      if (event.type === "source-isolated") this.#options.onViolation(`an honest source was isolated: ${event.code}, ${event.reason}`);
    }
  }

  #note(what: string, error: unknown): void {
    try {
      this.#options.tally.add(`${what}: ${endingOf(error, [CLOSE_CODE])}`);
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
