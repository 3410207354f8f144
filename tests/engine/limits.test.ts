import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { nextMessage, SERVER_ADDRESS, TwoHosts } from "./two-hosts.ts";

// That a listener's limits know networks apart on a wire, where QUIC validates addresses, as they do on one machine (tests/compliance/limits.test.ts).

const ANSWER_MS = 30_000;
/** Another network of the client's host. */
const FURTHER_ADDRESS = "10.78.0.2";
const FURTHER_NETWORK = "10.78.0.0/24";

const made = TwoHosts.make();

beforeEach((context) => {
  if (typeof made === "string") context.skip(made);
});

afterEach(() => {
  if (typeof made !== "string") made.stopProcesses();
});

afterAll(() => {
  if (typeof made !== "string") made.remove();
});

function hosts(): TwoHosts {
  if (typeof made === "string") throw new Error(made);
  return made;
}

type Reply = { url: string; identity: string } & { refusals: Record<string, number> } & { outcomes: string[] };

async function next<K extends keyof Reply>(child: ChildProcess, key: K): Promise<Reply> {
  const isWanted = (message: unknown): message is Reply => typeof message === "object" && message !== null && key in message;
  return nextMessage(child, isWanted, ANSWER_MS);
}

/** How `count` dials from the client's host go whose packets leave with `source`. */
async function dialFrom(source: string, count: number, server: Reply, transport: string): Promise<string[]> {
  hosts().ip("client", "route", "replace", "10.77.0.0/24", "dev", hosts().device("client"), "src", source);
  const client = hosts().start("client", "./limited-clients-process.ts", {
    TEST_COUNT: String(count),
    TEST_TRANSPORT: transport,
    TEST_URL: server.url,
    TEST_PIN: server.identity,
  });
  return (await next(client, "outcomes")).outcomes;
}

test.for(["quic", "tcp", "websocket"])("over %s a network has its sessions and connections, and another has its own", async (transport) => {
  const wire = hosts();
  if (!wire.ip("client", "addr").includes(FURTHER_ADDRESS)) {
    wire.ip("client", "addr", "add", `${FURTHER_ADDRESS}/24`, "dev", wire.device("client"));
    wire.ip("server", "route", "add", FURTHER_NETWORK, "dev", wire.device("server"));
  }
  const [own] = /10\.77\.0\.2/.exec(wire.ip("client", "addr")) ?? [""];
  // Over QUIC the first dial by pin asks for the certificate before: a connection more.
  const handshakeBurstPerPrefix = transport === "quic" ? 5 : 4;
  const limits = { maxSessionsPerPrefix: 2, handshakesPerSecondPerPrefix: 0.001, handshakeBurstPerPrefix, handshakesPerSecond: 1_000 };
  const child = wire.start("server", "./limited-server.ts", { TEST_HOST: SERVER_ADDRESS, TEST_LIMITS: JSON.stringify(limits) });
  const server = await next(child, "url");
  const beyondRate = transport === "quic" ? "LIMIT_REACHED" : "UNREACHABLE";
  expect(await dialFrom(own, 5, server, transport)).toEqual(["dialled", "dialled", "LIMIT_REACHED", "LIMIT_REACHED", beyondRate]);
  expect(await dialFrom(FURTHER_ADDRESS, 3, server, transport)).toEqual(["dialled", "dialled", "LIMIT_REACHED"]);
  const refusals = next(child, "refusals");
  child.send("stats");
  expect((await refusals).refusals).toEqual({ sessions: 3, "handshake-rate": 1 });
});
