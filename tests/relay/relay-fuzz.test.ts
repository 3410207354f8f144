import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { type ClientSession, dialWith, isKwikError, systemRuntime } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import {
  ANSWER_HEAD_BYTES,
  answerBodyBytes,
  decodeTunnelAnswer,
  decodeTunnelRequest,
  openTunnel,
  REQUEST_HEAD_BYTES,
  requestBodyBytes,
  type Tunnel,
  type TunnelAnswer,
} from "@kwik/tunnel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RelayBench, type TestRelay } from "./relay-bench.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;

const HOME = { kind: "link", host: "home.example.org", port: 4433 } as const;
/** The port is in the inputs, and this address in no other process of the machine. */
const HOME_IP = `127.${1 + ((process.pid >> 16) & 63)}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const MAX_LINKS = 3;

const sockets = new Set<Socket>();
let onSocket: (socket: Socket) => void = () => undefined;
let home: Server;
beforeAll(async () => {
  home = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => home.listen(HOME.port, HOME_IP, resolve));
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  home.close();
});

async function relayOf(bench: RelayBench): Promise<{ relay: TestRelay; client: ClientSession }> {
  const relay = await bench.relay([], {
    homes: [`${HOME.host}:${HOME.port}`, `${HOME_IP}:${HOME.port}`],
    limits: { maxLinks: MAX_LINKS, halfCloseTimeoutMs: 50 },
    resolve: (host) => (host === HOME.host ? Promise.resolve([HOME_IP]) : Promise.reject(new Error("no such name"))),
  });
  const client = await dialWith({ transport: relay.network.transport, runtime: systemRuntime, agent: "test" }, relay.listener.url);
  return { relay, client };
}

/** The place that a request's first bytes ask a relay for, and what follows it; undefined where it is no whole request for a link. */
function linkOf(input: Uint8Array): { place: string; rest: Uint8Array } | undefined {
  try {
    const head = input.subarray(0, REQUEST_HEAD_BYTES);
    const end = REQUEST_HEAD_BYTES + requestBodyBytes(head);
    if (input.length < end) return undefined;
    const target = decodeTunnelRequest(head, input.subarray(REQUEST_HEAD_BYTES, end));
    return target.kind === "link" ? { place: `${target.host}:${target.port}`, rest: input.subarray(end) } : undefined;
  } catch {
    return undefined;
  }
}

function answerIn(bytes: Buffer): { answer: TunnelAnswer; rest: Buffer } | undefined {
  if (bytes.length < ANSWER_HEAD_BYTES) return undefined;
  const head = bytes.subarray(0, ANSWER_HEAD_BYTES);
  const end = ANSWER_HEAD_BYTES + answerBodyBytes(head);
  return { answer: decodeTunnelAnswer(head, bytes.subarray(ANSWER_HEAD_BYTES, end)), rest: bytes.subarray(end) };
}

/** Until no link and no connection to the home is left. A home that was told the end could keep its own direction for as long as it likes. */
async function nothingOpen(relay: TestRelay): Promise<void> {
  for (const deadline = performance.now() + 30_000; relay.relay.stats().links > 0 || sockets.size > 0; ) {
    if (performance.now() > deadline) throw new Error(`${relay.relay.stats().links} links do not end, with ${sockets.size} connections`);
    for (const socket of sockets) if (socket.readableEnded) socket.destroy();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// spec: RELAY-1, RELAY-4, RELAY-6
test("any bytes on a stream to a relay are refused with an answer or a code, or reach the home that they ask for, whole", async () => {
  await using bench = new RelayBench();
  const { relay, client } = await relayOf(bench);
  // What the home gets comes back.
  onSocket = (socket) => socket.pipe(socket);
  let connected = 0;
  await fuzz(
    {
      corpus: corpora["requests"] ?? {},
      read: async (input, cut) => {
        const stream = await client.openStreamSync();
        const link = linkOf(input);
        const got: Uint8Array[] = [];
        // Who is refused is not listened to any further.
        for (const piece of pieces(input, cut)) stream.write(piece).catch(() => undefined);
        stream.close().catch(() => undefined);
        try {
          for (let data = await stream.read(); data !== null; data = await stream.read()) got.push(data);
        } catch (error) {
          if (!isKwikError(error)) throw error;
        }
        const seen = answerIn(Buffer.concat(got));
        if (seen === undefined) return;
        const isToHome = link !== undefined && [HOME.host, HOME_IP].some((host) => link.place === `${host}:${HOME.port}`);
        expect(seen.answer.connected).toBe(isToHome);
        if (!seen.answer.connected) return;
        connected += 1;
        expect(Buffer.compare(seen.rest, Buffer.from(link?.rest ?? []))).toBe(0);
      },
    },
    fuzzBudget(),
  );
  await nothingOpen(relay);
  expect(connected).toBeGreaterThan(0);
  expect(relay.relay.stats().openedTotal).toBe(connected);
  expect(client.stats().paths.map(({ state }) => state)).toEqual(["active"]);
});

/** What one byte of an input does: three bits say what, two to which link, three how much. */
const ACT = { open: 0, write: 1, end: 2, giveUp: 3, homeWrites: 4, homeEnds: 5, homeBreaksOff: 6, wait: 7 } as const;

/** Node does not close a socket that is reset while its end is on its way out. */
function breakOff(socket: Socket | undefined): void {
  if (socket?.writableEnded === true && !socket.writableFinished) socket.destroy();
  else socket?.resetAndDestroy();
}

/** Bytes of one link are all the same, and no other's. */
class PlayedLink {
  readonly mark: number;
  readonly tunnel: Tunnel;
  written = 0;
  toClient = 0;
  readonly #reading: Promise<void>;

  constructor(mark: number, tunnel: Tunnel) {
    this.mark = mark;
    this.tunnel = tunnel;
    this.#reading = this.#read();
  }

  write(bytes: number): void {
    this.written += bytes;
    this.tunnel.write(new Uint8Array(bytes).fill(this.mark)).catch(() => undefined);
  }

  async ended(): Promise<void> {
    this.tunnel.abort(1);
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      for (let data = await this.tunnel.read(); data !== null; data = await this.tunnel.read()) {
        expect(data.every((byte) => byte === this.mark)).toBe(true);
        this.toClient += data.length;
      }
    } catch (error) {
      if (!isKwikError(error)) throw error;
    }
  }
}

// spec: RELAY-6, RELAY-7, RELAY-10
test("links of which clients and homes do anything in any order mix no bytes, keep to the limit, and all end", async () => {
  await using bench = new RelayBench();
  const { relay, client } = await relayOf(bench);
  let mark = 0;
  await fuzz(
    {
      corpus: corpora["acts"] ?? {},
      read: async (input) => {
        const links: PlayedLink[] = [];
        const current: (PlayedLink | undefined)[] = [];
        /** What the home's connections got and sent, by the mark of their link, which the first byte tells. */
        const atHome = new Map<number, { socket: Socket; got: number; sent: number }>();
        onSocket = (socket) => {
          let own: { socket: Socket; got: number; sent: number } | undefined;
          let ownMark = 0;
          expect(sockets.size).toBeLessThanOrEqual(2 * MAX_LINKS);
          socket.on("data", (data: Buffer) => {
            if (own === undefined) {
              own = { socket, got: 0, sent: 0 };
              ownMark = data[0] as number;
              expect(atHome.has(ownMark)).toBe(false);
              atHome.set(ownMark, own);
            }
            own.got += data.length;
            if (!data.every((byte) => byte === ownMark)) socket.destroy(new Error("bytes of another link"));
          });
          socket.on("error", (error) => {
            if (error.message === "bytes of another link") throw error;
          });
        };
        for (const byte of input.subarray(0, 64)) {
          const [act, who, size] = [byte & 7, (byte >> 3) & 3, byte >> 5];
          const link = current[who];
          const end = link === undefined ? undefined : atHome.get(link.mark);
          if (act === ACT.open) {
            mark = (mark % 255) + 1;
            const target = size % 2 === 1 ? { ...HOME, port: 1 } : HOME;
            const opened = new PlayedLink(mark, await openTunnel(client, target));
            links.push(opened);
            current[who] = opened;
          } else if (act === ACT.write) link?.write(1 + size * 1_000);
          else if (act === ACT.end) link?.tunnel.close().catch(() => undefined);
          else if (act === ACT.giveUp) link?.tunnel.abort(1);
          else if (act === ACT.homeEnds) end?.socket.end();
          else if (act === ACT.homeBreaksOff) breakOff(end?.socket);
          else if (act === ACT.homeWrites && end?.socket.writable === true && link !== undefined) {
            end.sent += 1 + size * 1_000;
            end.socket.write(Buffer.alloc(1 + size * 1_000, link.mark));
          } else await new Promise((resolve) => setImmediate(resolve));
          expect(relay.relay.stats().links).toBeLessThanOrEqual(MAX_LINKS);
        }
        await Promise.all(links.map((link) => link.ended()));
        await nothingOpen(relay);
        for (const { mark: own, written, toClient } of links) {
          const end = atHome.get(own);
          expect(end?.got ?? 0).toBeLessThanOrEqual(written);
          expect(toClient).toBeLessThanOrEqual(end?.sent ?? 0);
        }
      },
    },
    fuzzBudget(),
  );
  await nothingOpen(relay);
  const count = (type: string): number => relay.events.filter((event) => event.type === type).length;
  expect(count("link-opened")).toBe(relay.relay.stats().openedTotal);
  expect(count("link-opened")).toBeGreaterThan(0);
  const neverOpened = relay.events.filter((event) => event.type === "link-closed" && event.sentBytes + event.receivedBytes === 0).length;
  expect(count("link-closed")).toBeGreaterThanOrEqual(count("link-opened"));
  expect(count("link-closed") - count("link-opened")).toBeLessThanOrEqual(neverOpened);
  expect(count("link-refused")).toBe(Object.values(relay.relay.stats().refusedTotal).reduce((sum, one) => sum + one, 0));
  expect(client.stats().paths.map(({ state }) => state)).toEqual(["active"]);
});
