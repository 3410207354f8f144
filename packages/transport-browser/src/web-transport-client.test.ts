import { makeSelfSigned } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { webTransportClient } from "./web-transport-client.ts";

/** A browser's WebTransport that never comes up; once it is closed, both of its promises reject, as the specification has it. */
class NeverReady {
  static readonly made: NeverReady[] = [];
  readonly #ready = Promise.withResolvers<unknown>();
  readonly #closed = Promise.withResolvers<unknown>();
  readonly ready = this.#ready.promise;
  readonly closed = this.#closed.promise;
  isClosed = false;

  constructor() {
    NeverReady.made.push(this);
  }

  close(): void {
    this.isClosed = true;
    this.#ready.reject(new Error("closed before it was ready"));
    this.#closed.reject(new Error("closed before it was ready"));
  }
}

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

afterEach(() => {
  Reflect.deleteProperty(globalThis, "WebTransport");
  process.off("unhandledRejection", note);
  NeverReady.made.length = 0;
  unhandled.length = 0;
});

test("a dial that is aborted while the certificates are read leaves no connection and no rejection that nobody handles", async () => {
  Object.assign(globalThis, { WebTransport: NeverReady });
  process.on("unhandledRejection", note);
  const { cert } = await makeSelfSigned();
  const giveUp = new AbortController();
  const dialling = webTransportClient().dial({
    address: { host: "127.0.0.1", port: 1 },
    trust: { ca: undefined, pins: [], certificates: [cert], dangerouslyTrustAnyServer: false },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 1_000,
    signal: giveUp.signal,
  });
  giveUp.abort();
  await expect(dialling).rejects.toMatchObject({ code: "ABORTED" });
  // Rejections that nobody handles are told before the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
  expect(NeverReady.made.every(({ isClosed }) => isClosed)).toBe(true);
});
