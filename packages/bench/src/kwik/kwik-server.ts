import { type Limits, listen, type ServerSession, type Stream } from "kwik";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, READ_BYTES, RequestReader } from "../request.ts";

const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** A server of the public API that does what the first bytes on each stream ask. */
export async function kwikServer(argument: {
  readonly limits?: Partial<Limits>;
  readonly transport?: "quic" | "tcp" | "websocket";
  /** Serves browsers, on all addresses: at a loopback address the engine's packets are too large for them. */
  readonly web?: boolean;
  /** Default: a key of its own. */
  readonly tls?: { readonly cert: string; readonly key: string };
}): Promise<Role> {
  const { transport = "quic", web = false, tls = "self-signed" } = argument;
  // Named, so that no race decides what is measured.
  const listener = await listen(`kwik+${transport === "websocket" ? "ws" : transport}://${web ? "0.0.0.0" : "127.0.0.1"}:0`, {
    tls,
    web: web && { allowOrigin: () => true },
    ...(argument.limits === undefined ? {} : { limits: argument.limits }),
  });
  void serveSessions(listener);
  return { ready: listener.url, commands: { stats: async () => listener.stats(), certificate: async () => listener.certificate } };
}

async function serveSessions(sessions: AsyncIterable<ServerSession>): Promise<void> {
  for await (const session of sessions) void serveSession(session);
}

async function serveSession(session: ServerSession): Promise<void> {
  // A client that is killed in the middle is part of the measurements.
  for await (const stream of session.incomingStreams()) serveStream(stream).catch(() => undefined);
}

async function serveStream(stream: Stream): Promise<void> {
  const reader = new RequestReader();
  for (let data = await stream.read(); data !== null; data = await stream.read()) {
    const request = reader.push(data);
    if (request === undefined) continue;
    const { ask, count, rest } = request;
    if (ask === Ask.download) await send(stream, count);
    else if (ask === Ask.upload) await take(stream, count - rest.length);
    else if (ask === Ask.echo) await echo(stream, rest);
    else if (ask === Ask.answer) await stream.write(Uint8Array.of(1));
    await stream.close();
    return;
  }
}

async function send(stream: Stream, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BLOCK.length) await stream.write(left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK);
}

async function take(stream: Stream, count: number): Promise<void> {
  const target = new Uint8Array(READ_BYTES);
  for (let left = count; left > 0; ) {
    const bytes = await stream.readInto(target);
    if (bytes === 0) return;
    left -= bytes;
  }
  await stream.write(Uint8Array.of(1));
}

async function echo(stream: Stream, first: Uint8Array): Promise<void> {
  if (first.length > 0) await stream.write(first);
  for (let data = await stream.read(); data !== null; data = await stream.read()) await stream.write(data);
}
