import { expect, test } from "vitest";
import { KwikError } from "../api/errors.ts";
import { PlayedRuntime } from "../driver/played-runtime.fixture.ts";
import { type Beginning, beginWith, RedirectError } from "./redirect.ts";

const TIMEOUT_MS = 2_000;
const OTHER_PORT = 4_434;

/** What happens at the other port: when, and what. */
interface Other {
  readonly afterMs: number;
  readonly error?: KwikError;
  /** Somebody proved himself before. */
  readonly isReached?: boolean;
}

interface Dialling {
  readonly runtime: PlayedRuntime;
  /** When each port was dialled. */
  readonly dialled: (readonly [port: number, atMs: number])[];
  readonly outcome: Promise<string>;
}

/** Dials a server that names another port, at which this is found. */
function dialling(other: Other, signal?: AbortSignal): Dialling {
  const runtime = new PlayedRuntime();
  const dialled: [number, number][] = [];
  const begin = async (beginning: Beginning): Promise<string> => {
    dialled.push([beginning.address.port, runtime.now()]);
    if (beginning.signal?.aborted === true) throw new KwikError("ABORTED", "aborted");
    if (beginning.takesRedirect) throw new RedirectError(OTHER_PORT, undefined, "192.0.2.1");
    if (beginning.address.port !== OTHER_PORT) return "where it was dialled";
    if (other.isReached === true) beginning.onReached?.();
    return new Promise((resolve, reject) => {
      beginning.signal?.addEventListener("abort", () => reject(new KwikError("ABORTED", "aborted")), { once: true });
      runtime.setTimer(() => (other.error === undefined ? resolve("elsewhere") : reject(other.error)), other.afterMs);
    });
  };
  const address = { host: "a.example", port: 4_433 };
  const first = { address, identity: undefined, ip: undefined, hasDialledInVain: false, takesRedirect: true, signal };
  const outcome = beginWith(begin, first, { runtime, timeoutMs: TIMEOUT_MS }).catch((error: unknown) => KwikError.from(error).code);
  return { runtime, dialled, outcome };
}

/** Lets everything happen that is to happen now. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function pass(runtime: PlayedRuntime, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1) {
    runtime.pass(1);
    await settled();
  }
}

const closed = new KwikError("UNREACHABLE", "nobody listens");
const stranger = new KwikError("NOT_TRUSTED", "another key");

// spec: CTRL-20
test.each<[string, Other]>([
  ["refuses at once", { afterMs: 0, error: closed }],
  ["refuses after half a second", { afterMs: 500, error: closed }],
  ["is open, and speaks something else", { afterMs: 37, error: stranger }],
  ["wants a certificate that the client has not", { afterMs: 40, error: new KwikError("AUTH_REFUSED", "no certificate") }],
  ["swallows everything", { afterMs: 10_000, error: closed }],
  ["answers too late", { afterMs: TIMEOUT_MS + 1 }],
])("the server that named a port sees its client again at the same time if the port %s", async (_, other) => {
  const { runtime, dialled, outcome } = dialling(other);
  await settled();
  await pass(runtime, TIMEOUT_MS + 5);
  expect(await outcome).toBe("where it was dialled");
  expect(dialled).toEqual([
    [4_433, 0],
    [OTHER_PORT, 0],
    [4_433, TIMEOUT_MS],
  ]);
});

test("a server that has proven itself is waited for as any other, and if it says no the client goes back at once", async () => {
  const slow = dialling({ afterMs: TIMEOUT_MS * 2, isReached: true });
  await settled();
  await pass(slow.runtime, TIMEOUT_MS * 2);
  expect(await slow.outcome).toBe("elsewhere");
  const full = dialling({ afterMs: 5, isReached: true, error: new KwikError("LIMIT_REACHED", "full") });
  await settled();
  await pass(full.runtime, 5);
  expect(await full.outcome).toBe("where it was dialled");
  expect(full.dialled.at(-1)).toEqual([4_433, 5]);
  expect([slow.runtime.timers.size, full.runtime.timers.size]).toEqual([0, 0]);
});

test("a dial that is aborted while it waits ends at once, and dials nowhere", async () => {
  const abort = new AbortController();
  const { runtime, dialled, outcome } = dialling({ afterMs: 1, error: closed }, abort.signal);
  await settled();
  await pass(runtime, 10);
  abort.abort();
  expect(await outcome).toBe("ABORTED");
  expect(dialled).toHaveLength(2);
  expect(runtime.timers.size).toBe(0);
});
