import {
  type Carrier,
  type CarrierReceiver,
  dialWith,
  type Link,
  type LinkReceiver,
  type Listener,
  listenWith,
  systemRuntime,
  type Transport,
} from "@kwik/core";
import { memoryNetwork } from "@kwik/testkit";
import { afterEach, expect, test } from "vitest";

const IDENTITY = `sha256:${"1".repeat(64)}`;
const ADDRESS = "127.0.0.1:4000";
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What one carrier brought, piece by piece. */
type Flight = { readonly carrier: number; readonly data: Uint8Array }[];

/** The server's end of a link whose first flight may come before its handshake has ended. */
class EarlyLink {
  readonly flight: Flight = [];
  readonly link: Link;
  confirm: () => void = () => undefined;

  constructor(inner: Link) {
    const confirmed = new Promise<void>((resolve) => (this.confirm = resolve));
    this.link = Object.create(inner, {
      capabilities: { value: { ...inner.capabilities, earlyData: true } },
      confirmed: { value: confirmed },
      properties: { get: () => inner.properties },
      attach: { value: (receiver: LinkReceiver) => inner.attach(this.#recording(receiver)) },
      openCarrier: { value: () => inner.openCarrier() },
      sendDatagram: { value: (data: Uint8Array) => inner.sendDatagram(data) },
      stats: { value: () => inner.stats() },
      close: { value: (code: number, reason: string) => inner.close(code, reason) },
    }) as Link;
  }

  #recording(receiver: LinkReceiver): LinkReceiver {
    return {
      onCarrier: (carrier) => {
        receiver.onCarrier(carrier);
        const above = carrier.receiver as CarrierReceiver;
        let current = above;
        Object.defineProperty(carrier, "receiver", { get: () => recorder, set: (next: CarrierReceiver) => (current = next) });
        const recorder: CarrierReceiver = {
          onData: (data) => {
            this.flight.push({ carrier: carrier.id, data: data.slice() });
            current.onData(data);
          },
          onEnd: () => current.onEnd(),
        };
      },
      onDatagram: (data) => receiver.onDatagram(data),
      onClose: (info) => receiver.onClose(info),
      onBatchEnd: () => receiver.onBatchEnd(),
    };
  }
}

/** A link on which somebody repeats a flight without ever ending the handshake. */
class Replay {
  closedWith: number | undefined;
  readonly answers: Uint8Array[] = [];
  #receiver: LinkReceiver | undefined;
  readonly link = {
    capabilities: { streams: true, datagrams: true, encrypted: true, earlyData: true, ownedBuffers: false },
    properties: {
      transport: "memory",
      remoteAddress: "replay:1",
      localAddress: ADDRESS,
      provenIdentity: undefined,
      clientIdentity: undefined,
    },
    confirmed: new Promise<void>(() => undefined),
    maxDatagramBytes: 0,
    attach: (receiver: LinkReceiver) => (this.#receiver = receiver),
    openCarrier: () => undefined,
    sendDatagram: () => false,
    close: (code: number) => {
      this.closedWith ??= code;
      queueMicrotask(() => this.#receiver?.onClose({ code, reason: "", remote: false }));
    },
  } as unknown as Link;

  play(flight: Flight): void {
    const carriers = new Map<number, Carrier>();
    for (const { carrier: id, data } of flight) {
      let carrier = carriers.get(id);
      if (carrier === undefined) {
        const send = (parts: readonly Uint8Array[]): void => void this.answers.push(...parts);
        carrier = { id, receiver: undefined, bufferedBytes: 0, send, reset: () => undefined };
        carriers.set(id, carrier);
        this.#receiver?.onCarrier(carrier);
      }
      carrier.receiver?.onData(data);
    }
  }
}

interface Stage {
  readonly listener: Listener;
  readonly transport: Transport;
  readonly early: EarlyLink[];
  readonly asked: string[];
  onLink(link: Link): void;
}

async function serve(limits: { handshakeTimeoutMs?: number } = {}): Promise<Stage> {
  const { transport: memory } = memoryNetwork();
  const early: EarlyLink[] = [];
  const asked: string[] = [];
  let onLink: (link: Link) => void = () => undefined;
  const transport: Transport = {
    ...memory,
    listen: (request) => {
      onLink = request.onLink.bind(request);
      return memory.listen({
        ...request,
        onLink: (inner) => {
          const one = new EarlyLink(inner);
          early.push(one);
          request.onLink(one.link);
        },
      });
    },
  };
  const listener = await listenWith(
    { transport, runtime: systemRuntime, agent: "test", tls: { cert: IDENTITY, key: "" }, identity: IDENTITY, authority: undefined },
    ADDRESS,
    {
      tls: "self-signed",
      limits,
      authenticate: ({ token }) => {
        asked.push(token ?? "");
        return { ok: true };
      },
    },
  );
  closing.push(() => listener.close());
  return { listener, transport, early, asked, onLink: (link) => onLink(link) };
}

/** A client that says "pay" on a stream in its first flight. */
async function pay({ transport }: Stage) {
  const client = await dialWith({ transport, runtime: systemRuntime, agent: "test" }, `kwik://${ADDRESS}`, {
    early: true,
    credentials: { token: "mine" },
  });
  closing.push(() => client.close());
  const stream = client.openUniStream();
  await stream.write(Buffer.from("pay"));
  // Resolves when all of it is acknowledged, which nothing is before the handshake has ended.
  void stream.close().catch(() => undefined);
  return client;
}

/** The server's end of the only link, once the whole first flight is there. */
async function firstFlight({ early }: Stage): Promise<EarlyLink> {
  const bytes = (): Buffer => Buffer.concat((early[0]?.flight ?? []).map(({ data }) => data));
  await expect.poll(() => bytes().includes("pay")).toBe(true);
  return early[0] as EarlyLink;
}

// spec: LINK-2
test("nothing of a first flight begins before its handshake has ended, and everything of it arrives then", async () => {
  const stage = await serve();
  const client = await pay(stage);
  const link = await firstFlight(stage);
  expect([stage.asked, stage.listener.stats().acceptedSessions]).toEqual([[], 0]);
  link.confirm();
  const server = await stage.listener.accept();
  const got: Uint8Array[] = [];
  for await (const data of await server.acceptUniStream()) got.push(data);
  expect(Buffer.concat(got).toString()).toBe("pay");
  await client.ready;
  expect(stage.asked).toEqual(["mine"]);
});

// spec: LINK-2
test("a first flight that is repeated begins no second session, delivers nothing twice, and is closed after the handshake's time", async () => {
  const stage = await serve({ handshakeTimeoutMs: 300 });
  await pay(stage);
  const link = await firstFlight(stage);
  const before = new Replay();
  stage.onLink(before.link);
  before.play(link.flight);
  link.confirm();
  const server = await stage.listener.accept();
  const after = new Replay();
  stage.onLink(after.link);
  after.play(link.flight);
  await expect.poll(() => [before.closedWith, after.closedWith]).not.toContain(undefined);
  const streams: string[] = [];
  const first = await server.acceptUniStream();
  for await (const data of first) streams.push(Buffer.from(data).toString());
  expect(streams.join("")).toBe("pay");
  expect([stage.asked, stage.listener.stats().acceptedSessions, stage.listener.stats().refusedSessions]).toEqual([["mine"], 1, 2]);
});
