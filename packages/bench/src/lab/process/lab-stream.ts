import { Ask, BLOCK_BYTES, encodeRequest, RequestReader } from "../../request.ts";
import { ArrivalLog, type Arrivals, epochMs, patternAt } from "./arrival-log.ts";

/** What all contenders' streams have in common. */
export interface LabStream {
  /** The next bytes in order; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when there is room for more. */
  write(data: Uint8Array): Promise<void>;
  /** Ends the writing direction. */
  close(): Promise<void>;
}

export type Direction = "down" | "up";

/** One transfer as its client saw it. */
export interface TransferOutcome {
  /** When it was asked for, in milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Of a download. Those of an upload are known to the server. */
  readonly arrivals: Arrivals | undefined;
}

/** Answers what the first bytes of a stream ask for; `onUpload` is told what arrived of an upload as it begins. */
export async function serveTransfer(stream: LabStream, onUpload: (log: ArrivalLog) => void): Promise<void> {
  const reader = new RequestReader();
  for (let data = await stream.read(); data !== null; data = await stream.read()) {
    const request = reader.push(data);
    if (request === undefined) continue;
    const { ask, count, rest } = request;
    if (ask === Ask.download) await sendPattern(stream, count);
    else if (ask === Ask.upload) {
      const log = new ArrivalLog(count);
      onUpload(log);
      log.push(rest);
      await receive(stream, log, count);
      await stream.write(Uint8Array.of(1));
    }
    await stream.close();
    return;
  }
}

/** Asks for a transfer and takes part in it. Rejects when other bytes came, or not all. */
export async function runTransfer(
  stream: LabStream,
  direction: Direction,
  bytes: number,
  onLog: (log: ArrivalLog) => void,
): Promise<TransferOutcome> {
  const startedAt = epochMs();
  if (direction === "up") {
    await stream.write(encodeRequest(Ask.upload, bytes));
    await sendPattern(stream, bytes);
    void stream.close().catch(() => undefined);
    if ((await stream.read()) === null) throw new Error("the server did not take everything");
    return { startedAt, endedAt: epochMs(), arrivals: undefined };
  }
  const log = new ArrivalLog(bytes);
  onLog(log);
  await stream.write(encodeRequest(Ask.download, bytes));
  await receive(stream, log, bytes);
  return { startedAt, endedAt: log.summary().lastAt, arrivals: log.summary() };
}

async function sendPattern(stream: LabStream, count: number): Promise<void> {
  for (let at = 0; at < count; at += BLOCK_BYTES) await stream.write(patternAt(at, Math.min(BLOCK_BYTES, count - at)));
}

async function receive(stream: LabStream, log: ArrivalLog, count: number): Promise<void> {
  while (log.bytes < count) {
    const data = await stream.read();
    if (data === null) throw new Error(`${log.bytes} of ${count} bytes came`);
    log.push(data);
  }
}
