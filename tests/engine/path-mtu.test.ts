import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { nextMessage, SERVER_ADDRESS, TwoHosts } from "./two-hosts.ts";
import type { Host } from "./two-hosts.ts";

// B13 of docs/decisions/0003-quic-engine.md: when the path's MTU shrinks in mid-connection, the engine sends its large packets into the
// void for ever, while small ones pass. One end's MTU alone makes such a black hole: what is too large for it vanishes on arrival, and
// nobody is told. The sender's own MTU makes none, since the engine lets its packets be fragmented.

const BYTES = 60_000_000;
const CHANGE_AT = 15_000_000;
const SMALL_MTU = 1300;
const STEP_MS = 20_000;
/** For the rest of a transfer, which takes 3 s by itself; a path is dead 3 s after the last sign of progress. */
const REST_MS = 20_000;

type Transfer = "get" | "put";

const made = TwoHosts.make();

beforeEach((context) => {
  if (typeof made === "string") context.skip(made);
});

afterEach(() => {
  if (typeof made === "string") return;
  made.stopProcesses();
  setMtu(["client", "server"], 1500);
});

afterAll(() => {
  if (typeof made !== "string") made.remove();
});

interface Telling {
  readonly port?: number;
  readonly identity?: string;
  readonly progress?: number;
  readonly outcome?: unknown;
  readonly failure?: string;
  readonly event?: string;
}

interface Running {
  readonly client: ChildProcess;
  readonly server: ChildProcess;
  /** What both ends said of their paths. */
  readonly events: string[];
  /** How far the receiver is. */
  received: number;
}

function hosts(): TwoHosts {
  if (typeof made === "string") throw new Error(made);
  return made;
}

function setMtu(shrinking: readonly Host[], mtu: number): void {
  for (const host of shrinking) hosts().ip(host, "link", "set", hosts().device(host), "mtu", String(mtu));
}

/** The next message of a kind. A failure that the process tells of is one here. */
async function telling(child: ChildProcess, wanted: (message: Telling) => boolean, timeoutMs: number): Promise<Telling> {
  const isEnd = (message: unknown): message is Telling => wanted(message as Telling) || (message as Telling).failure !== undefined;
  const message = await nextMessage(child, isEnd, timeoutMs);
  if (message.failure !== undefined) throw new Error(message.failure);
  return message;
}

async function start(transfer: Transfer, bytes: number): Promise<Running> {
  const server = hosts().start("server", "./session-server.ts");
  const { port, identity } = await telling(server, (message) => message.port !== undefined, STEP_MS);
  const client = hosts().start("client", "./session-client-process.ts", {
    TEST_URL: `kwik+quic://${SERVER_ADDRESS}:${port}`,
    TEST_PIN: identity ?? "",
    TEST_TRANSFER: transfer,
    TEST_BYTES: String(bytes),
  });
  const running: Running = { client, server, events: [], received: 0 };
  for (const [name, child] of [
    ["client", client],
    ["server", server],
  ] as const) {
    child.on("message", ({ event, progress }: Telling) => {
      if (event !== undefined) running.events.push(`${name} ${event}`);
      running.received = progress ?? running.received;
    });
  }
  return running;
}

/** Waits until the transfer is well under way. */
async function underWay(running: Running, transfer: Transfer): Promise<void> {
  const receiver = transfer === "get" ? running.client : running.server;
  await orSay(
    running,
    telling(receiver, (message) => (message.progress ?? 0) >= CHANGE_AT, STEP_MS),
  );
}

async function outcomeOf(running: Running): Promise<unknown> {
  return (
    await orSay(
      running,
      telling(running.client, (message) => message.outcome !== undefined, REST_MS),
    )
  ).outcome;
}

/** A failure says how far the transfer was. */
async function orSay<T>(running: Running, wait: Promise<T>): Promise<T> {
  try {
    return await wait;
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${text}; ${running.received} bytes received; last events: ${running.events.slice(-10).join(", ")}`, { cause });
  }
}

/** The end at which a transfer's large packets arrive. */
const RECEIVER = { get: "client", put: "server" } as const;
const NAMES = { get: "a download", put: "an upload" } as const;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

for (const transfer of ["get", "put"] as const) {
  test(`B13: ${NAMES[transfer]} over a path that is small from the start`, { timeout: 60_000 }, async () => {
    setMtu([RECEIVER[transfer]], SMALL_MTU);
    const running = await start(transfer, CHANGE_AT);
    expect(await outcomeOf(running)).toEqual({ received: CHANGE_AT, isRight: true });
  });

  test(`B13: ${NAMES[transfer]} goes on when the MTU of both ends shrinks`, { timeout: 60_000 }, async () => {
    const running = await start(transfer, BYTES);
    await underWay(running, transfer);
    setMtu(["client", "server"], SMALL_MTU);
    expect(await outcomeOf(running)).toEqual({ received: BYTES, isRight: true });
  });

  test(`B13: ${NAMES[transfer]} goes on after a black hole for large packets`, { timeout: 60_000 }, async () => {
    const running = await start(transfer, BYTES);
    await underWay(running, transfer);
    setMtu([RECEIVER[transfer]], SMALL_MTU);
    await pause(2_000);
    setMtu([RECEIVER[transfer]], 1500);
    expect(await outcomeOf(running)).toEqual({ received: BYTES, isRight: true });
    expect(running.events).toContain(`${transfer === "get" ? "server" : "client"} path-degraded`);
  });

  test(`B13: ${NAMES[transfer]} leaves a lasting black hole for large packets by dialling again`, { timeout: 60_000 }, async () => {
    const running = await start(transfer, BYTES);
    await underWay(running, transfer);
    setMtu([RECEIVER[transfer]], SMALL_MTU);
    expect(await outcomeOf(running)).toEqual({ received: BYTES, isRight: true });
    expect(running.events).toContain("client path-dead");
  });
}
