import type { ChildProcess } from "node:child_process";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { selfSigned } from "../compliance/tls-material.ts";
import type { FetchOrder, FetchOutcome } from "./fetch-order.ts";
import { nextMessage, SERVER_ADDRESS, SERVER_SECOND_ADDRESS, TwoHosts } from "./two-hosts.ts";

// B9 and B10 of docs/decisions/0003-quic-engine.md: what a server's bind address does to its packets, on a wire with an MTU of 1500.

const MB = 1_000_000;
/** What an Ethernet packet has room for after the headers of IPv4 and UDP. */
const ETHERNET_PAYLOAD = 1472;
const ANSWER_MS = 20_000;

const tls = await selfSigned();
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

interface BoundServer {
  readonly port: number;
  readonly notices: readonly string[];
  /** Largest UDP payload of each of its links. */
  payloads(): Promise<readonly number[]>;
}

async function serveOn(host: string): Promise<BoundServer> {
  const child = hosts().start("server", "./link-server.ts", { TEST_HOST: host, TEST_CERT: tls.cert, TEST_KEY: tls.key });
  const notices: string[] = [];
  child.on("message", (message: { notice?: string }) => {
    if (message.notice !== undefined) notices.push(message.notice);
  });
  const { port } = await nextMessage(child, (message): message is { port: number } => hasKey(message, "port"), ANSWER_MS);
  return {
    port,
    notices,
    payloads: async () => {
      const answer = nextMessage(child, (message): message is { payloads: number[] } => hasKey(message, "payloads"), ANSWER_MS);
      child.send("payloads");
      return (await answer).payloads;
    },
  };
}

function hasKey(message: unknown, key: string): boolean {
  return typeof message === "object" && message !== null && key in message;
}

function fetchBy(client: ChildProcess, order: Partial<FetchOrder> & { readonly port: number }): Promise<FetchOutcome> {
  const outcome = nextMessage(client, (message): message is FetchOutcome => hasKey(message, "kind"), ANSWER_MS);
  client.send({ host: SERVER_ADDRESS, bytes: 8 * MB, dialTimeoutMs: 5_000, ...order } satisfies FetchOrder);
  return outcome;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("B9: a server on the wildcard address sends packets that the wire takes whole", async () => {
  const server = await serveOn("0.0.0.0");
  const client = hosts().start("client", "./link-client-process.ts");
  expect(await fetchBy(client, { port: server.port })).toEqual({ kind: "fetched", received: 8 * MB, isRight: true });
  await pause(1_500); // beyond the check a second after the handshake
  const payloads = await server.payloads();
  expect(payloads).toHaveLength(1);
  expect(payloads[0]).toBeGreaterThan(1_200);
  expect(payloads[0]).toBeLessThanOrEqual(ETHERNET_PAYLOAD);
  expect(server.notices).toEqual([]);
});

test("B9: a server on a concrete address says once that its packets are cut, and the command that it names is the remedy", async () => {
  const server = await serveOn(SERVER_ADDRESS);
  const client = hosts().start("client", "./link-client-process.ts");
  await fetchBy(client, { port: server.port });
  await fetchBy(client, { port: server.port });
  await pause(1_500);
  for (const payload of await server.payloads()) expect(payload).toBeGreaterThan(ETHERNET_PAYLOAD);
  expect(server.notices).toHaveLength(1);
  const notice = server.notices[0] ?? "";
  expect(notice).toContain("fragments");
  const command = /run: ip (route replace .*)$/.exec(notice)?.[1] ?? "";
  const device = hosts().device("server");
  expect(command).toBe(
    `route replace local ${SERVER_ADDRESS} dev ${device} table local proto kernel scope host src ${SERVER_ADDRESS} mtu 1500`,
  );

  hosts().stopProcesses();
  hosts().ip("server", ...command.split(" "));
  const remedied = await serveOn(SERVER_ADDRESS);
  const again = hosts().start("client", "./link-client-process.ts");
  expect(await fetchBy(again, { port: remedied.port })).toEqual({ kind: "fetched", received: 8 * MB, isRight: true });
  await pause(1_500);
  for (const payload of await remedied.payloads()) expect(payload).toBeLessThanOrEqual(ETHERNET_PAYLOAD);
  expect(remedied.notices).toEqual([]);
});

test("B10: a wildcard server dialled at a secondary address is UNREACHABLE in time, and the client goes on", async () => {
  const server = await serveOn("0.0.0.0");
  const client = hosts().start("client", "./link-client-process.ts");
  const secondary = await fetchBy(client, { port: server.port, host: SERVER_SECOND_ADDRESS, dialTimeoutMs: 1_000 });
  expect(secondary).toMatchObject({ kind: "refused", code: "UNREACHABLE" });
  if (secondary.kind !== "refused") return;
  expect(secondary.message).toContain(`${SERVER_SECOND_ADDRESS}:${server.port}`);
  expect(secondary.message).toMatch(/within \d+(\.\d)? s$/);
  expect(secondary.afterMs).toBeLessThan(5_000);
  expect(await fetchBy(client, { port: server.port })).toEqual({ kind: "fetched", received: 8 * MB, isRight: true });
});

test("B10: a server bound to the secondary address itself is reached there", async () => {
  const server = await serveOn(SERVER_SECOND_ADDRESS);
  const client = hosts().start("client", "./link-client-process.ts");
  const outcome = await fetchBy(client, { port: server.port, host: SERVER_SECOND_ADDRESS });
  expect(outcome).toEqual({ kind: "fetched", received: 8 * MB, isRight: true });
});
