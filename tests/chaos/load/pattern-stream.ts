import { firstDifference, patternView } from "@kwik/testkit";
import type { ReceiveStream, SendStream } from "kwik";
import type { Dice } from "../plan/dice.ts";
import { BrokenInvariant } from "./stream-request.ts";

const MAX_WRITE_BYTES = 64 * 1024;

/** Called with the bytes of each step; throws to stop there. */
export type OnBytes = (bytes: number) => void;

/** Writes a pattern in pieces of any size; the end of the stream is not written. */
export async function writePattern(stream: SendStream, key: number, bytes: number, dice: Dice, onBytes: OnBytes): Promise<void> {
  for (let at = 0; at < bytes; ) {
    const length = Math.min(bytes - at, dice.whole(1, MAX_WRITE_BYTES));
    await stream.write(patternView(key, at, length));
    at += length;
    onBytes(length);
  }
}

/** Reads to the end and checks each byte; how many they were. Throws BrokenInvariant for one that is wrong, or too many. */
export async function readPattern(stream: ReceiveStream, key: number, limit: number, onBytes: OnBytes): Promise<number> {
  let at = 0;
  for (let data = await stream.read(); data !== null; data = await stream.read()) {
    checkPattern(key, at, data, `stream ${stream.id}`);
    at += data.length;
    if (at > limit) throw new BrokenInvariant(`stream ${stream.id} brings ${at} bytes and more, not ${limit}`);
    onBytes(data.length);
  }
  return at;
}

/** Throws BrokenInvariant if a byte is not that of the pattern. */
export function checkPattern(key: number, at: number, data: Uint8Array, where: string): void {
  const wrong = firstDifference(key, at, data);
  if (wrong !== undefined) throw new BrokenInvariant(`byte ${at + wrong} of ${where} is not that of pattern ${key}`);
}
