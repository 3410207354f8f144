import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { nextMessage, SERVER_ADDRESS, TwoHosts } from "./two-hosts.ts";

// A machine that goes from one network to another: its old address is gone, its sockets are of no use or send from another address, and nobody is told.

const BYTES = 60_000_000;
const CHANGE_AT = 15_000_000;
/** Bounds against hanging. */
const WAIT_MS = 60_000;
const ADDRESSES = ["10.77.0.2", "10.77.0.9"] as const;

const made = TwoHosts.make();

beforeEach((context) => {
  if (typeof made === "string") context.skip(made);
});

afterEach(() => {
  if (typeof made === "string") return;
  made.stopProcesses();
  move(ADDRESSES[1], ADDRESSES[0]);
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

function hosts(): TwoHosts {
  if (typeof made === "string") throw new Error(made);
  return made;
}

/** The client has another address from now on. */
function move(from: string, to: string): void {
  const device = hosts().device("client");
  if (!hosts().ip("client", "addr", "show", "dev", device).includes(`${from}/`)) return;
  hosts().ip("client", "addr", "del", `${from}/24`, "dev", device);
  hosts().ip("client", "addr", "add", `${to}/24`, "dev", device);
}

async function telling(child: ChildProcess, wanted: (message: Telling) => boolean): Promise<Telling> {
  const message = await nextMessage(
    child,
    (one: unknown): one is Telling => wanted(one as Telling) || (one as Telling).failure !== undefined,
    WAIT_MS,
  );
  if (message.failure !== undefined) throw new Error(message.failure);
  return message;
}

// spec: RESUME-2, RESUME-5, PATH-10
test.each([
  ["quic", "get"],
  ["quic", "put"],
  ["tcp", "get"],
  ["tcp", "put"],
])(
  "a transfer over %s (%s) goes on when the client's address changes",
  async (transport, transfer) => {
    const server = hosts().start("server", "./session-server.ts");
    const { port, identity } = await telling(server, (message) => message.port !== undefined);
    const client = hosts().start("client", "./session-client-process.ts", {
      TEST_URL: `kwik+${transport}://${SERVER_ADDRESS}:${port}`,
      TEST_PIN: identity ?? "",
      TEST_TRANSFER: transfer,
      TEST_BYTES: String(BYTES),
    });
    const events: string[] = [];
    client.on("message", ({ event }: Telling) => {
      if (event !== undefined) events.push(event);
    });
    const outcome = telling(client, (message) => message.outcome !== undefined);
    await telling(transfer === "get" ? client : server, (message) => (message.progress ?? 0) >= CHANGE_AT);
    move(ADDRESSES[0], ADDRESSES[1]);
    expect((await outcome).outcome, events.join(", ")).toEqual({ received: BYTES, isRight: true });
    // QUIC may find its way by itself; TCP cannot, and has to be made anew.
    if (transport === "tcp") expect(events).toEqual(expect.arrayContaining(["path-dead", "suspended", "resumed"]));
  },
  120_000,
);
