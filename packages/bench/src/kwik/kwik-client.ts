import { type ClientSession, dial, type Limits, type Stream } from "kwik";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, encodeRequest, READ_BYTES } from "../request.ts";
import { memory, percentiles, pause } from "../sampling.ts";

interface Transfer {
  readonly streams: number;
  readonly bytes: number;
  /** With `read`, which gives the bytes away, instead of `readInto`. */
  readonly isByRead?: boolean;
}

/** A client of the public API that runs what it is asked for against one server. */
export async function kwikClient(argument: { readonly url: string; readonly limits?: Partial<Limits> }): Promise<Role> {
  const options = {
    trust: { dangerouslyTrustAnyServer: true },
    ...(argument.limits === undefined ? {} : { limits: argument.limits }),
  };
  const session = await dial(argument.url, options);
  const kept: (ClientSession | Stream)[] = [];
  let endless: Endless | undefined;
  return {
    ready: session.id,
    commands: {
      download: (transfer: Transfer) => timed(() => each(transfer, (bytes) => download(session, bytes, transfer.isByRead === true))),
      upload: (transfer: Transfer) => timed(() => each(transfer, (bytes) => upload(session, bytes))),
      echo: ({ count, bytes }: { count: number; bytes: number }) => echo(session, count, bytes),
      open: ({ count }: { count: number }) => open(session, count),
      exchange: ({ count, atOnce }: { count: number; atOnce: number }) => timed(() => exchange(session, count, atOnce)),
      messages: ({ count, bytes }: { count: number; bytes: number }) => timed(() => messages(session, count, bytes)),
      flow: async ({ ms }: { ms: number }) => flow(session, ms),
      greedy: async ({ streams, reset }: { streams: number; reset: boolean }) => {
        endless = new Endless(session, reset);
        endless.start(streams);
      },
      taken: async () => endless?.takenBytes ?? 0,
      stall: async ({ bytes }: { bytes: number }) => {
        // Asks for much and reads none of it.
        const stream = session.openStream();
        await stream.write(encodeRequest(Ask.download, bytes));
        kept.push(stream);
      },
      sessions: async ({ count }: { count: number }) => {
        for (let i = 0; i < count; i += 1) kept.push(await dial(argument.url, options));
      },
      idleStreams: async ({ count }: { count: number }) => {
        for (let i = 0; i < count; i += 1) {
          const stream = await session.openStreamSync();
          await stream.write(encodeRequest(Ask.echo, 0));
          kept.push(stream);
        }
      },
      pausedDownload: ({ bytes, pauseMs }: { bytes: number; pauseMs: number }) => pausedDownload(session, bytes, pauseMs),
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function each(transfer: Transfer, work: (bytes: number) => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: transfer.streams }, () => work(Math.round(transfer.bytes / transfer.streams))));
}

async function download(session: ClientSession, bytes: number, isByRead: boolean): Promise<void> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.download, bytes));
  await stream.close();
  const target = new Uint8Array(READ_BYTES);
  let got = 0;
  if (isByRead) for (let data = await stream.read(); data !== null; data = await stream.read()) got += data.length;
  else for (let count = await stream.readInto(target); count > 0; count = await stream.readInto(target)) got += count;
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes came`);
}

async function upload(session: ClientSession, bytes: number): Promise<void> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.upload, bytes));
  const block = new Uint8Array(BLOCK_BYTES).fill(7);
  for (let left = bytes; left > 0; left -= block.length) await stream.write(left < block.length ? block.subarray(0, left) : block);
  void stream.close();
  if ((await stream.read()) === null) throw new Error("the server did not take everything");
}

async function echo(session: ClientSession, count: number, bytes: number): Promise<{ p50: number; p99: number }> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.echo, 0));
  const message = new Uint8Array(bytes).fill(7);
  const times = new Float64Array(count);
  for (let i = 0; i < count; i += 1) {
    const start = performance.now();
    void stream.write(message);
    for (let got = 0; got < bytes; ) got += (await stream.read())?.length ?? bytes;
    times[i] = performance.now() - start;
  }
  void stream.close();
  return percentiles(times);
}

/** Microseconds of one `openStream`. */
async function open(session: ClientSession, count: number): Promise<number> {
  const streams: Stream[] = [];
  const start = performance.now();
  for (let i = 0; i < count; i += 1) streams.push(session.openStream());
  const micros = ((performance.now() - start) * 1000) / count;
  await Promise.all(streams.map(answered));
  return micros;
}

async function answered(stream: Stream): Promise<void> {
  void stream.write(encodeRequest(Ask.answer, 0));
  void stream.close();
  for (let data = await stream.read(); data !== null; data = await stream.read());
}

async function exchange(session: ClientSession, count: number, atOnce: number): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await answered(session.openStream());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

async function messages(session: ClientSession, count: number, bytes: number): Promise<void> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.upload, count * bytes));
  const message = new Uint8Array(bytes).fill(7);
  for (let i = 0; i < count; i += 1) await stream.write(message);
  void stream.close();
  if ((await stream.read()) === null) throw new Error("the server did not take everything");
}

/** Bytes that a download brings in `ms` milliseconds. */
async function flow(session: ClientSession, ms: number): Promise<number> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.download, 1e12));
  const timer = setTimeout(() => stream.stopReading(0), ms);
  let got = 0;
  try {
    for (let data = await stream.read(); data !== null; data = await stream.read()) got += data.length;
  } catch {
    // stopped
  }
  clearTimeout(timer);
  stream.reset(0);
  return got;
}

/** Downloads as much as it gets, for ever; with `reset` it gives up each download after its first bytes. */
class Endless {
  takenBytes = 0;
  readonly #session: ClientSession;
  readonly #isResetting: boolean;

  constructor(session: ClientSession, isResetting: boolean) {
    this.#session = session;
    this.#isResetting = isResetting;
  }

  start(streams: number): void {
    for (let i = 0; i < streams; i += 1) void this.#run();
  }

  async #run(): Promise<void> {
    for (;;) {
      const stream = await this.#session.openStreamSync();
      await stream.write(encodeRequest(Ask.download, 1e12));
      for (let data = await stream.read(); data !== null; data = await stream.read()) {
        this.takenBytes += data.length;
        if (this.#isResetting) break;
      }
      stream.stopReading(1);
      stream.reset(1);
    }
  }
}

/** Reads for a while, then not at all, then the rest. Answers what was held in between, in bytes. */
async function pausedDownload(
  session: ClientSession,
  bytes: number,
  pauseMs: number,
): Promise<{ held: number; rss: number; bytes: number }> {
  const stream = session.openStream();
  await stream.write(encodeRequest(Ask.download, bytes));
  let got = 0;
  let held = 0;
  let before = 0;
  let during = 0;
  for (let data = await stream.read(); data !== null; data = await stream.read()) {
    got += data.length;
    if (before > 0 || got < bytes / 4) continue;
    before = memory().rss;
    for (let waited = 0; waited < pauseMs; waited += 100) {
      await pause(100);
      held = Math.max(held, session.stats().receiveBufferBytes);
      during = Math.max(during, memory().rss);
    }
  }
  return { held, rss: during - before, bytes: got };
}
