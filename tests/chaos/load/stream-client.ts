import type { ClientSession, Stream } from "kwik";
import type { Dice } from "../plan/dice.ts";
import type { DiskWriter } from "./disk-writer.ts";
import { endingOf } from "./ending.ts";
import { patternContent } from "./pattern-content.ts";
import { checkPattern, readPattern, writePattern } from "./pattern-stream.ts";
import type { Watched } from "./stall-watch.ts";
import { BrokenInvariant, CANCEL_CODES, CLOSE_CODE, encodeRequest, replyKey, type StreamRequest } from "./stream-request.ts";
import type { TallyBook } from "./tally.ts";

/** Small ones are many, large ones have most of the bytes. */
const MAX_BYTES = [200, 5_000, 60_000, 400_000, 1_500_000];

export interface StreamRun {
  readonly dice: Dice;
  readonly disk: DiskWriter;
  readonly tally: TallyBook;
  readonly watched: Watched;
  readonly pathId: number | undefined;
  readonly signal: AbortSignal;
}

/** Thrown in the middle of a stream that its client gives up. */
class GivenUp extends Error {}

/** One stream of any kind, checked; rejects with how it ended if not whole. */
export async function runStream(session: ClientSession, run: StreamRun): Promise<void> {
  const { dice, pathId, signal } = run;
  const request = anyRequest(dice);
  const stream = await session.openStreamSync({
    signal,
    priority: dice.oneOf([128, 128, 128, 60, 200]),
    ...(dice.chance(0.1) && request.kind !== "content" ? { contributions: false } : {}),
    ...(pathId === undefined ? {} : { pathId }),
  });
  const cancel = request.kind === "exchange" && dice.chance(0.1) ? dice.oneOf(["reset", "stopReading"] as const) : undefined;
  const receiving = receive(stream, request, cancel, run).finally(() => run.watched.unseen());
  const outcomes = await Promise.allSettled([send(stream, request, cancel, run), receiving]);
  const failures = outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason as unknown);
  const others = failures.filter((failure) => !(failure instanceof GivenUp));
  const isGivenUp = cancel !== undefined || others.length < failures.length;
  // Codes of its own a stream only ends with if it was given up.
  for (const failure of others) endingOf(failure, isGivenUp ? [CLOSE_CODE, ...Object.values(CANCEL_CODES)] : [CLOSE_CODE]);
  if (others.length === 0 || isGivenUp) return;
  // The half that has not failed is of no use any more.
  stream.reset(CANCEL_CODES.reset);
  stream.stopReading(CANCEL_CODES.stopReading);
  throw others[0];
}

function anyRequest(dice: Dice): StreamRequest {
  const kind = dice.oneOf(["exchange", "exchange", "exchange", "exchange", "content", "push", "raw"] as const);
  const size = (): number => dice.whole(0, dice.oneOf(MAX_BYTES));
  return {
    kind,
    key: dice.whole(0, 1_000_000),
    requestBytes: kind === "exchange" ? size() : 0,
    replyBytes: kind === "exchange" || kind === "push" ? size() : 0,
  };
}

async function send(stream: Stream, request: StreamRequest, cancel: string | undefined, { dice, watched }: StreamRun): Promise<void> {
  const giveUpAt = cancel === "reset" ? dice.whole(0, request.requestBytes) : Infinity;
  let sent = 0;
  await stream.write(encodeRequest(request));
  try {
    await writePattern(stream, request.key, request.requestBytes, dice, (bytes) => {
      watched.progress();
      sent += bytes;
      if (sent >= giveUpAt) throw new GivenUp();
    });
  } catch (error) {
    if (error instanceof GivenUp) stream.reset(CANCEL_CODES.reset);
    throw error;
  }
  await stream.close();
  watched.progress();
}

async function receive(stream: Stream, request: StreamRequest, cancel: string | undefined, run: StreamRun): Promise<void> {
  const { dice, tally, watched } = run;
  const giveUpAt = cancel === "stopReading" ? dice.whole(0, request.replyBytes) : Infinity;
  let got = 0;
  const onBytes = (bytes: number): void => {
    watched.progress();
    tally.add("bytes down", bytes);
    got += bytes;
    if (got >= giveUpAt) throw new GivenUp();
  };
  if (request.kind === "content") {
    await receiveContent(stream, request, run, onBytes);
    return;
  }
  try {
    const whole = request.kind === "exchange" ? request.replyBytes : 0;
    await readPattern(stream, replyKey(request), whole, onBytes);
    if (got !== whole) throw new BrokenInvariant(`stream ${stream.id} ended after ${got} bytes of ${whole}`);
  } catch (error) {
    if (error instanceof GivenUp) stream.stopReading(CANCEL_CODES.stopReading);
    throw error;
  }
}

/** Into memory or a file, which is read again and checked too. */
async function receiveContent(stream: Stream, request: StreamRequest, run: StreamRun, onBytes: (bytes: number) => void): Promise<void> {
  const { dice, disk, tally } = run;
  const content = patternContent(request.key);
  const length = Number(content.length);
  if (!dice.chance(0.3)) {
    const got = await readPattern(stream, content.patternKey, length, onBytes);
    if (got !== length) throw new BrokenInvariant(`content on stream ${stream.id} ended after ${got} bytes of ${length}`);
    tally.add("content: whole");
    return;
  }
  const file = await disk.save(stream, onBytes);
  if (file === undefined) {
    stream.stopReading(CANCEL_CODES.diskFull);
    tally.add("content: disk full");
    throw new GivenUp();
  }
  if (file.length !== length) throw new BrokenInvariant(`a file has ${file.length} bytes of ${length}`);
  checkPattern(content.patternKey, 0, file, "a file");
  tally.add("content: whole file");
}
