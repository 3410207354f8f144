import { beforeEach, expect, test, vi } from "vitest";
import { KwikError } from "../api/errors.ts";
import { formatAddress, type TransportName } from "./address.ts";
import { anyTransport } from "./any-transport.ts";
import type { Link } from "./link.ts";
import type { DialRequest, ListenRequest, Transport } from "./transport.ts";

/** A transport whose dials end when the test says so, and which binds the ports that it may. */
class Played implements Transport {
  readonly name: TransportName;
  readonly dials: { readonly request: DialRequest; win(): Link; fail(code: "UNREACHABLE" | "NOT_TRUSTED" | "NOT_SUPPORTED"): void }[] = [];
  readonly closed: Link[] = [];
  bound: number[] = [];
  taken: number[] = [];
  nextPort = 1000;
  /** Does not hear that a dial was given up. */
  isDeaf = false;

  constructor(name: TransportName) {
    this.name = name;
  }

  dial(request: DialRequest): Promise<Link> {
    return new Promise((resolve, reject) => {
      const link = { properties: { transport: this.name }, close: () => this.closed.push(link) } as unknown as Link;
      const win = (): Link => {
        resolve(link);
        return link;
      };
      this.dials.push({ request, win, fail: (code) => reject(new KwikError(code, `${this.name} failed`)) });
      if (!this.isDeaf) request.signal?.addEventListener("abort", () => reject(new KwikError("ABORTED", "given up")));
    });
  }

  async listen({ address }: ListenRequest) {
    const port = address.port === 0 ? this.nextPort++ : address.port;
    if (this.taken.includes(port)) throw new KwikError("IO", `cannot listen on ${formatAddress({ ...address, port })}: taken`);
    this.bound.push(port);
    return {
      address: formatAddress({ host: address.host, port }),
      close: async () => void (this.bound = this.bound.filter((one) => one !== port)),
    };
  }
}

let quic: Played;
let tcp: Played;
let now: number;
let both: Transport;

beforeEach(() => {
  vi.useFakeTimers();
  quic = new Played("quic");
  tcp = new Played("tcp");
  now = 0;
  both = anyTransport([quic, tcp], () => now);
  return () => vi.useRealTimers();
});

function dial(transport?: TransportName, signal?: AbortSignal): Promise<Link> {
  return both.dial({ address: { host: "h", port: 1, transport }, signal } as DialRequest);
}

const listen = (port: number, transport?: TransportName) =>
  both.listen({ address: { host: "h", port, transport }, tls: { cert: "", key: "" }, onLink: () => undefined });

const soon = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("the first has a head start, and nobody else is bothered if it wins in it", async () => {
  const link = dial();
  await soon(499);
  expect([quic.dials.length, tcp.dials.length]).toEqual([1, 0]);
  const won = quic.dials[0]?.win();
  expect(await link).toBe(won);
  expect(both.choiceOf?.(await link)).toBe("race");
  await soon(1000);
  expect(tcp.dials).toEqual([]);
});

test("the second wins where the first says nothing; the first is given up, and at the next dial the winner goes first", async () => {
  const link = dial();
  await soon(500);
  const won = tcp.dials[0]?.win();
  expect(await link).toBe(won);
  expect(quic.dials[0]?.request.signal?.aborted).toBe(true);
  const next = dial();
  await soon(1);
  expect([quic.dials.length, tcp.dials.length]).toEqual([1, 2]);
  tcp.dials[1]?.win();
  expect([await link, await next].map((one) => both.choiceOf?.(one))).toEqual(["race", "remembered"]);
  now = 10 * 60_000;
  void dial().catch(() => undefined);
  await soon(1);
  expect([quic.dials.length, tcp.dials.length]).toEqual([2, 2]);
});

test("a transport to be avoided is left out, even if it won before", async () => {
  const first = dial();
  await soon();
  quic.dials[0]?.win();
  await first;
  const second = both.dial({ address: { host: "h", port: 1 }, avoid: "quic" } as DialRequest);
  await soon();
  tcp.dials[0]?.win();
  await second;
  expect(quic.dials).toHaveLength(1);
  const alone = anyTransport([quic]);
  await expect(alone.dial({ address: { host: "h", port: 1 }, avoid: "quic" } as DialRequest)).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
  });
  expect([both.hasOther?.({ host: "h", port: 1 }, "quic"), alone.hasOther?.({ host: "h", port: 1 }, "quic")]).toEqual([true, false]);
});

test("who won for want of the best, or by the head start of a winner, is not remembered any longer for that", async () => {
  const avoiding = both.dial({ address: { host: "h", port: 1 }, avoid: "quic" } as DialRequest);
  await soon();
  tcp.dials[0]?.win();
  await avoiding;
  const first = dial();
  await soon(500);
  expect(quic.dials).toHaveLength(1);
  tcp.dials[1]?.win();
  await first;
  now = 9 * 60_000;
  const second = dial();
  await soon();
  tcp.dials[2]?.win();
  await second;
  now = 11 * 60_000;
  const third = dial();
  await soon();
  expect([quic.dials.length, tcp.dials.length]).toEqual([2, 3]);
  quic.dials[1]?.win();
  await third;
});

test("a failure lets the next begin at once", async () => {
  const link = dial();
  await soon(1);
  quic.dials[0]?.fail("UNREACHABLE");
  await soon(1);
  expect(tcp.dials).toHaveLength(1);
  tcp.dials[0]?.win();
  await link;
});

test("a link that comes although it was given up is closed", async () => {
  quic.isDeaf = true;
  const link = dial();
  await soon(500);
  const won = tcp.dials[0]?.win();
  expect(await link).toBe(won);
  const late = quic.dials[0]?.win();
  await soon(1);
  expect([quic.closed, tcp.closed]).toEqual([[late], []]);
});

test("when all fail, distrust is what is told, else the first failure; nothing is remembered", async () => {
  const first = expect(dial()).rejects.toMatchObject({ code: "UNREACHABLE", message: "quic failed" });
  await soon(500);
  quic.dials[0]?.fail("UNREACHABLE");
  tcp.dials[0]?.fail("UNREACHABLE");
  await first;
  const second = expect(dial()).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  await soon(500);
  quic.dials[1]?.fail("UNREACHABLE");
  tcp.dials[1]?.fail("NOT_TRUSTED");
  await second;
});

test("a transport that could not do what was asked is not the reason that is told, unless none could", async () => {
  const first = expect(dial()).rejects.toMatchObject({ code: "UNREACHABLE", message: "quic failed" });
  await soon(500);
  tcp.dials[0]?.fail("NOT_SUPPORTED");
  await soon(1);
  quic.dials[0]?.fail("UNREACHABLE");
  await first;
  const second = expect(dial()).rejects.toMatchObject({ code: "NOT_SUPPORTED", message: "quic failed" });
  await soon(500);
  quic.dials[1]?.fail("NOT_SUPPORTED");
  tcp.dials[1]?.fail("NOT_SUPPORTED");
  await second;
});

test("an abort is an abort", async () => {
  const abort = new AbortController();
  const link = expect(dial(undefined, abort.signal)).rejects.toMatchObject({ code: "ABORTED", message: "dialling h:1 was aborted" });
  await soon(500);
  abort.abort();
  await link;
});

test("a named transport is the only one, and must be there", async () => {
  const link = dial("tcp");
  await soon(1000);
  tcp.dials[0]?.win();
  expect(both.choiceOf?.(await link)).toBeUndefined();
  expect(quic.dials).toEqual([]);
  await expect(dial("websocket")).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
});

test("listens on one port with all of them", async () => {
  tcp.taken = [1000, 1001];
  const any = await listen(0);
  expect([any.address, quic.bound, tcp.bound]).toEqual(["h:1002", [1002], [1002]]);
  await any.close();
  expect([quic.bound, tcp.bound]).toEqual([[], []]);
  await expect(listen(1001)).rejects.toMatchObject({
    code: "IO",
    message: "cannot listen on h:1001: taken (tcp); kwik+quic://h:1001 would serve quic only",
  });
  expect(quic.bound).toEqual([]);
  const one = await listen(1001, "quic");
  expect([one.address, quic.bound, tcp.bound]).toEqual(["h:1001", [1001], []]);
});

test("it prefers the transports in their order, and none that it does not have", () => {
  expect(both.prefers?.("quic", "tcp")).toBe(true);
  expect(both.prefers?.("tcp", "quic")).toBe(false);
  expect(both.prefers?.("quic", "quic")).toBe(false);
  expect(both.prefers?.("websocket", "tcp")).toBe(false);
});
