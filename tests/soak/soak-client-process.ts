import { type ClientSession, dial } from "kwik";
import { endingOf } from "../chaos/load/ending.ts";
import { readPattern, writePattern } from "../chaos/load/pattern-stream.ts";
import { StallWatch } from "../chaos/load/stall-watch.ts";
import { BrokenInvariant, CLOSE_CODE, encodeRequest, replyKey, type StreamRequest } from "../chaos/load/stream-request.ts";
import { TallyBook } from "../chaos/load/tally.ts";
import { Dice } from "../chaos/plan/dice.ts";
import { reportViolation, serveQuestions } from "../chaos/process/serve-questions.ts";
import { type SoakArgument, STALL_MS, type Wave } from "./soak-plan.ts";

const SESSIONS_AT_ONCE = 6;
const STREAMS_AT_ONCE = 16;
const MAX_BYTES = 2_000;
const TRANSPORTS = ["quic", "tcp", "websocket"] as const;

const { address, identity } = JSON.parse(process.argv[2] ?? "{}") as SoakArgument;
const tally = new TallyBook();

await serveQuestions(tally, async () => {
  const watch = new StallWatch(STALL_MS, reportViolation);
  return {
    wave: async ({ first, sessions, streamsPerSession }: Wave) => {
      await each(sessions, SESSIONS_AT_ONCE, (index) =>
        watch.during(
          () => `session ${first + index}`,
          (watched) => oneSession(first + index, streamsPerSession, () => watched.progress()),
        ),
      );
    },
    close: async () => watch.stop(),
  };
});

/** Dials, opens and ends its streams, and closes; every third is ended at once with an error instead. */
async function oneSession(number: number, streams: number, onProgress: () => void): Promise<void> {
  try {
    const transport = TRANSPORTS[number % TRANSPORTS.length] ?? "quic";
    const session = await dial(`kwik://${address}`, { trust: { pins: [identity] }, transport });
    tally.add("sessions");
    tally.add(`over ${transport}`);
    await each(streams, STREAMS_AT_ONCE, (index) => oneStream(session, number * streams + index).then(onProgress));
    await (number % 4 === 3 ? session.closeWithError(CLOSE_CODE, "soak") : session.close());
    const { code } = await session.closed;
    if (code !== (number % 4 === 3 ? "APPLICATION" : "NO_ERROR")) throw new BrokenInvariant(`session ${number} ended with ${code}`);
  } catch (error) {
    report(`session ${number}`, error);
  }
}

async function oneStream(session: ClientSession, number: number): Promise<void> {
  const dice = new Dice(number);
  const request: StreamRequest = {
    kind: "exchange",
    key: number % 1_000_000,
    requestBytes: dice.whole(0, MAX_BYTES),
    replyBytes: dice.whole(0, MAX_BYTES),
  };
  try {
    const stream = await session.openStreamSync();
    await stream.write(encodeRequest(request));
    await writePattern(stream, request.key, request.requestBytes, dice, () => undefined);
    const [got] = await Promise.all([readPattern(stream, replyKey(request), request.replyBytes, () => undefined), stream.close()]);
    if (got !== request.replyBytes) throw new BrokenInvariant(`stream ${number} ended after ${got} bytes of ${request.replyBytes}`);
    tally.add("streams");
    tally.add("bytes", request.requestBytes + request.replyBytes);
  } catch (error) {
    report(`stream ${number}`, error);
  }
}

/** Nothing goes wrong here: each error is a violation. */
function report(what: string, error: unknown): void {
  let code = "";
  try {
    code = endingOf(error, []);
  } catch {
    // what it is, its text says
  }
  reportViolation(`${what}: ${code} ${error instanceof Error ? error.message : String(error)}`);
}

/** `work` for each number below `count`, some at a time. */
async function each(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
}
