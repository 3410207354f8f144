import { firstDifference, patternBytes } from "@kwik/testkit";
import type { ReceiveStream, SendStream } from "kwik";

const CHUNK_BYTES = 256 * 1024;

/** Pause after each chunk, in milliseconds: the whole takes long enough for the test to change the network meanwhile. */
const CHUNK_PAUSE_MS = 8;

/** Writes the pattern in chunks, with pauses, and ends the stream. */
export async function writePaced(stream: SendStream, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += CHUNK_BYTES) {
    await stream.write(patternBytes(1, sent, Math.min(CHUNK_BYTES, bytes - sent)));
    await new Promise((resolve) => setTimeout(resolve, CHUNK_PAUSE_MS));
  }
  await stream.close();
}

/** Reads to the end; how much came and whether it was the pattern. `onProgress` is told of the count after each part. */
export async function readPattern(
  stream: ReceiveStream,
  first: Uint8Array,
  onProgress: (received: number) => void,
): Promise<{ received: number; isRight: boolean }> {
  let received = 0;
  let isRight = true;
  const take = (data: Uint8Array): void => {
    isRight &&= firstDifference(1, received, data) === undefined;
    received += data.length;
    onProgress(received);
  };
  if (first.length > 0) take(first);
  for await (const data of stream) take(data);
  return { received, isRight };
}
