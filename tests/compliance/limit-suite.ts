import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ClientSession,
  type DialOptions,
  dialWith,
  isKwikError,
  LimitError,
  type Listener,
  type ListenLimits,
  type ListenOptions,
  listenWith,
  type ServerSession,
  SessionKey,
  systemRuntime,
  type Transport,
} from "@kwik/core";
import { CarrierKind, encodePreamble, partialBody } from "@kwik/proto";
import { identityOf, initCluster, type IssuedServer, issueServer, renewServer } from "@kwik/trust";
import { afterEach, describe, expect, test, type TestContext } from "vitest";
import { CREDIT, RawLink } from "../session/raw-link.ts";
import type { ServerMaterial } from "./tls-material.ts";

/** A transport under the limit cases, and the sides of it that a test plays. */
export interface LimitEnvironment {
  readonly name: string;
  makeTransport(): Transport;
  /** Connections beyond the rate are told the code, since their handshake is over: else they see a connection that ends. */
  readonly tellsBeyondRate: boolean;
  /** A link holds on to the certificate that the listener had: else new certificates end the links, and the sessions come back. */
  readonly keepsLinks: boolean;
  /** Its clients check servers against a cluster's authority. */
  readonly hasAuthorities: boolean;
}

interface Certificates {
  readonly ca: string;
  readonly mine: ServerMaterial;
  /** For further hosts, with the same key. */
  readonly renewed: ServerMaterial;
}

const certificates = (async (): Promise<Certificates> => {
  const scratch = await mkdtemp(join(tmpdir(), "kwik-test-"));
  try {
    const directory = join(scratch, "cluster");
    await initCluster(directory);
    const read = async ({ certFile, keyFile, identity }: IssuedServer): Promise<ServerMaterial> => ({
      cert: await readFile(certFile, "utf8"),
      key: await readFile(keyFile, "utf8"),
      identity,
    });
    const mine = await read(await issueServer(directory, { hosts: ["elsewhere.example"], name: "a" }));
    const renewed = await read(await renewServer(directory, { name: "a", hosts: ["127.0.0.1"] }));
    return { ca: await readFile(join(directory, "ca.pem"), "utf8"), mine, renewed };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
})();

interface Served {
  readonly listener: Listener;
  readonly notices: string[];
}

const open: { close(): unknown }[] = [];

function keep<T extends { close(): unknown }>(each: T): T {
  open.push(each);
  return each;
}

async function serve(transport: Transport, options: Partial<ListenOptions>): Promise<Served> {
  const notices: string[] = [];
  const { mine } = await certificates;
  const listener = await listenWith(
    {
      transport,
      runtime: systemRuntime,
      agent: "test",
      tls: mine,
      identity: mine.identity,
      authority: undefined,
      identityOf,
      onNotice: (message) => notices.push(message),
    },
    "127.0.0.1:0",
    { tls: mine, ...options },
  );
  return { listener: keep(listener), notices };
}

async function dial(transport: Transport, listener: Listener, options: DialOptions = {}): Promise<ClientSession> {
  return keep(
    await dialWith({ transport, runtime: systemRuntime, agent: "test" }, `kwik://${listener.address}`, {
      trust: { dangerouslyTrustAnyServer: true },
      ...options,
    }),
  );
}

/** What a dial is refused with; undefined if it is not. */
async function refusal(transport: Transport, listener: Listener): Promise<LimitError | string | undefined> {
  try {
    await dial(transport, listener);
    return undefined;
  } catch (error) {
    return error instanceof LimitError ? error : isKwikError(error) ? error.code : String(error);
  }
}

/** A client that has not said anything. */
async function stranger(transport: Transport, listener: Listener): Promise<RawLink> {
  const raw = await RawLink.silent(transport, listener.address);
  keep({ close: () => raw.link.close(0, "") });
  return raw;
}

/** A stream goes from one side to the other, whole. */
async function expectServed(client: ClientSession, server: ServerSession): Promise<void> {
  const stream = client.openStream();
  await stream.write(new TextEncoder().encode("served"));
  void stream.close();
  let text = "";
  for await (const data of await server.acceptStream()) text += new TextDecoder().decode(data);
  expect(text).toBe("served");
}

/** That a listener's limits hold over one transport, as they do over the simulated one (tests/session/limits.test.ts). */
export function runLimitSuite(environment: LimitEnvironment): void {
  describe(`limits over ${environment.name}`, () => {
    afterEach(async () => {
      for (const each of open.splice(0).reverse()) await each.close();
    });

    /** A listener, a session that it has, and the transport of further clients. */
    async function begin(
      limits: Partial<ListenLimits>,
      options: Partial<ListenOptions> = {},
    ): Promise<Served & { transport: Transport; client: ClientSession; server: ServerSession }> {
      const transport = environment.makeTransport();
      const served = await serve(transport, { limits, ...options });
      const client = await dial(transport, served.listener);
      return { ...served, transport, client, server: await served.listener.accept() };
    }

    // spec: CTRL-18
    test("more paths than a network may begin are refused with the time to wait", async () => {
      const { listener, transport, client, server } = await begin({ pathsPerSecondPerPrefix: 0.1, pathBurstPerPrefix: 2 });
      expect(await refusal(transport, listener)).toBeUndefined();
      const refused = await refusal(transport, listener);
      expect(refused).toMatchObject({ code: "LIMIT_REACHED", remote: true, message: expect.stringContaining("127.0.0.0/24") });
      expect((refused as LimitError).retryAfterMs).toBeGreaterThan(1_000);
      expect(listener.stats().refusals).toEqual({ "path-rate": 1 });
      await expectServed(client, server);
    });

    // spec: CTRL-18
    test("more sessions than a network may have are refused, until one ends", async () => {
      const { listener, transport, client, server } = await begin({ maxSessionsPerPrefix: 2 });
      const second = await dial(transport, listener);
      expect(await refusal(transport, listener)).toMatchObject({ code: "LIMIT_REACHED", retryAfterMs: 5_000 });
      await expectServed(client, server);
      await second.close();
      await expect.poll(() => listener.stats().sessions, { timeout: 30_000 }).toBe(1);
      expect(await refusal(transport, listener)).toBeUndefined();
    });

    // spec: CTRL-18
    test("connections beyond the rate are closed, and those before are served", async () => {
      const { listener, notices, transport, client, server } = await begin({
        handshakesPerSecondPerPrefix: 0.01,
        handshakeBurstPerPrefix: 2,
      });
      expect(await refusal(transport, listener)).toBeUndefined();
      for (let i = 0; i < 5; i += 1) {
        const refused = await refusal(transport, listener);
        if (environment.tellsBeyondRate) expect(refused).toMatchObject({ code: "LIMIT_REACHED", remote: true });
        else expect(refused).toBe("UNREACHABLE");
      }
      await expect.poll(() => listener.stats(), { timeout: 30_000 }).toMatchObject({ sessions: 2, refusals: { "handshake-rate": 5 } });
      expect(notices).toEqual([expect.stringMatching(/too many connections from 127\.0\.0\.0\/24/)]);
      await expectServed(client, server);
    });

    test("more connections than the listener takes are refused and counted", async () => {
      const { listener, transport, client, server } = await begin({ maxConnections: 2 });
      expect(await refusal(transport, listener)).toBeUndefined();
      expect(await refusal(transport, listener)).toBeDefined();
      expect(listener.stats().sessions).toBe(2);
      await expectServed(client, server);
    });

    test("of too many that have not said what they want the oldest is closed", async () => {
      const { listener, transport, client, server } = await begin({ maxHandshakes: 3, handshakeTimeoutMs: 60_000 });
      const oldest = await stranger(transport, listener);
      // Some wait in the transport, some before the session: four times as many.
      for (let i = 0; i < 12; i += 1) await stranger(transport, listener);
      await oldest.whenClosed;
      expect(await refusal(transport, listener)).toBeUndefined();
      await expect
        .poll(() => listener.stats(), { timeout: 30_000 })
        .toMatchObject({ sessions: 2, refusals: { connections: expect.any(Number) } });
      await expectServed(client, server);
    });

    // spec: CARRIER-5
    test("a stranger may send so much, and keep its place so long", async () => {
      const { listener, transport, client, server } = await begin({ maxBytesBeforeAuth: 100_000, handshakeTimeoutMs: 1_000 });
      const loud = await stranger(transport, listener);
      loud.open().send([encodePreamble(CarrierKind.data), new Uint8Array(200_000)]);
      const quiet = await stranger(transport, listener);
      quiet.beginControl();
      await Promise.all([loud.whenClosed, quiet.whenClosed]);
      await expect
        .poll(() => listener.stats(), { timeout: 30_000 })
        .toMatchObject({ waitingConnections: 0, sessions: 1, refusals: { "held-bytes": 1, timeout: 1 } });
      await expectServed(client, server);
    });

    // spec: CTRL-19
    test("a client that sends more control messages than it may loses its session alone", async () => {
      const { listener, transport, client, server } = await begin({ maxControlMessagesPerSecond: 1_000 });
      const flooder = await stranger(transport, listener);
      flooder.beginControl();
      flooder.say(partialBody("clientHello", { versions: [1], clientKey: (await SessionKey.create()).publicKey, credit: CREDIT }));
      await flooder.answer("helloReply");
      expect(listener.stats().sessions).toBe(2);
      for (let i = 0; i < 5_000; i += 1) flooder.say(partialBody("controlAck", {}));
      await flooder.whenClosed;
      await expect.poll(() => listener.stats().sessions, { timeout: 30_000 }).toBe(1);
      await expectServed(client, server);
    });

    test("a session that nobody uses ends after the idle timeout", async () => {
      const { client } = await begin({ idleTimeoutMs: 300 });
      expect(await client.closed).toMatchObject({ code: "TIMEOUT", remote: true });
    });

    test("a stream that is not authorised is reset with the hook's code, and the next one arrives", async () => {
      let asked = 0;
      const authorizeStream = (): { ok: false; code: number } | { ok: true } => {
        asked += 1;
        return asked === 1 ? { ok: false, code: 403 } : { ok: true };
      };
      const { client, server } = await begin({}, { authorizeStream });
      const refused = client.openStream();
      await refused.write(Uint8Array.of(1));
      await expect(refused.read()).rejects.toMatchObject({ code: "APPLICATION", errorCode: 403 });
      await expectServed(client, server);
    });

    test("a renewed certificate is shown to new clients, and no session is lost", async () => {
      const { listener, transport, client, server } = await begin({});
      let resumed = 0;
      void (async () => {
        for await (const event of client.events()) if (event.type === "resumed") resumed += 1;
      })();
      await listener.updateTls((await certificates).renewed);
      const later = await dial(transport, listener);
      await expectServed(later, await listener.accept());
      await expectServed(client, server);
      expect(resumed > 0).toBe(!environment.keepsLinks);
    });

    test("certificates that are renewed at the same moment follow each other, and a listener that is closed meanwhile stays closed", async () => {
      const { listener, transport, client, server } = await begin({});
      const { mine, renewed } = await certificates;
      await Promise.all([listener.updateTls(renewed), listener.updateTls(mine), listener.updateTls(renewed)]);
      await expectServed(client, server);
      await expectServed(await dial(transport, listener), await listener.accept());
      const update = listener.updateTls(mine);
      await Promise.all([update, listener.close()]);
      expect(await refusal(transport, listener)).toBeDefined();
    });

    test("a renewed certificate is what clients check", async (context: TestContext) => {
      if (!environment.hasAuthorities) context.skip(`${environment.name} has no clients that check authorities here`);
      const { listener, transport, client, server } = await begin({});
      const { ca, renewed } = await certificates;
      const checked = { trust: { ca } };
      await expect(dial(transport, listener, checked)).rejects.toMatchObject({ code: "NOT_TRUSTED" });
      await listener.updateTls(renewed);
      await dial(transport, listener, checked);
      await expectServed(client, server);
    });
  });
}
