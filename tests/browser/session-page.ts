// Runs in a page or a worker of the browser: what the tests of sessions do there, step by step.
import { type ClientSession, dial, type DialOptions, isKwikError, StreamError } from "kwik/browser";
import { answerInWorker, inWorker } from "./page-worker.ts";

let session: ClientSession;
const received: string[] = [];

async function all(
  stream: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for await (const piece of stream) {
    pieces.push(new Uint8Array(piece));
    total += piece.length;
    onBytes(total);
  }
  return pieces;
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return new Blob(await all(stream)).text();
}

async function errorOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    if (error instanceof StreamError) return `${error.code} ${error.errorCode}`;
    return isKwikError(error) ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`;
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const verbs = {
  /** Opens the session of this page; answers the transports of its paths. */
  async dial(target: string, options: DialOptions): Promise<string[]> {
    session = await dial(target, options);
    void (async () => {
      for (;;) received.push(new TextDecoder().decode(await session.receiveDatagram()));
    })().catch(() => undefined);
    return session.stats().paths.map((path) => path.transport);
  },

  /** "CODE: message" of a dial that fails, or "no error". */
  failure: (target: string, options: DialOptions): Promise<string> => errorOf(dial(target, options).then((opened) => opened.close())),

  abortedDial: (target: string, options: DialOptions): Promise<string> =>
    errorOf(dial(target, { ...options, signal: AbortSignal.timeout(100) })),

  paths: (): string[] => session.stats().paths.map((path) => `${path.transport} ${path.state}`),

  identities: (): (string | undefined)[] => session.stats().paths.map((path) => path.identity),

  /** Sends on a stream of its own and answers what comes back on it. */
  async ask(text: string): Promise<string> {
    const stream = session.openStream();
    await stream.write(bytes(text));
    void stream.close();
    return textOf(stream);
  },

  async tell(text: string): Promise<void> {
    const stream = session.openUniStream();
    await stream.write(bytes(text));
    await stream.close();
  },

  hear: async (): Promise<string> => textOf(await session.acceptUniStream()),

  /** Answers on a stream that the server opened, and tells what came on it. */
  async answer(text: string): Promise<string> {
    const stream = await session.acceptStream();
    await stream.write(bytes(text));
    void stream.close();
    return textOf(stream);
  },

  async resetAfter(text: string, code: number): Promise<void> {
    const stream = session.openStream();
    await stream.write(bytes(text));
    stream.reset(code);
    stream.stopReading(code);
  },

  /** Reads until the server resets its half, and writes until it reads no more. */
  async untilEnded(): Promise<string[]> {
    const stream = session.openStream();
    await stream.write(bytes("x"));
    const reading = errorOf(all(stream));
    const writing = errorOf(
      (async () => {
        for (;;) await stream.write(new Uint8Array(1000));
      })(),
    );
    return Promise.all([reading, writing]);
  },

  /** Writes to a server that may not read; answers how much it took within `ms`. */
  async writeFor(ms: number): Promise<number> {
    const stream = session.openStream();
    let written = 0;
    void (async () => {
      for (;;) {
        await stream.write(new Uint8Array(64 * 1024));
        written += 64 * 1024;
      }
    })().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return written;
  },

  /** Reads one stream of the server to its end. Calls `half` of the page, if there is one, as soon as half of `total` bytes is there. */
  async download(total: number): Promise<{ readonly bytes: number; readonly sha256: string }> {
    let isHalf = false;
    const pieces = await all(await session.acceptStream(), (count) => {
      if (isHalf || count < total / 2) return;
      isHalf = true;
      void (globalThis as { readonly half?: () => Promise<void> }).half?.();
    });
    const whole = await new Blob(pieces).arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
    return { bytes: whole.byteLength, sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  },

  datagram: (text: string): boolean => session.sendDatagram(bytes(text)),
  datagrams: (): string[] => received,

  async closed(): Promise<string> {
    const { code, reason, remote } = await session.closed;
    return `${code} ${reason} ${remote}`;
  },

  close: (): Promise<void> => session.close(),
};

/** What a test may call here. */
export type PageVerbs = typeof verbs;

interface Call {
  readonly verb: keyof PageVerbs;
  readonly parameters: readonly unknown[];
}

function call({ verb, parameters }: Call): Promise<unknown> {
  return Promise.resolve((verbs[verb] as (...parameters: readonly unknown[]) => unknown)(...parameters));
}

/** The calls, one after the other. */
async function callAll(calls: readonly Call[]): Promise<unknown[]> {
  const results: unknown[] = [];
  try {
    for (const each of calls) results.push(await call(each));
  } catch (error) {
    return [String(error)];
  }
  return results;
}

answerInWorker(callAll);
Object.assign(globalThis, { call, inWorker });
