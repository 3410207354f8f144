import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { patternBytes } from "@kwik/testkit";
import { type OriginFile, TestOrigin } from "../tunnel/test-origin.ts";
import { addressOf, curl, type GatewayProcess, type ProxyProcess, startGateway, startProxy } from "./gateway-process.ts";
import { issueCluster, kill, kwik, reportOf, testFolder } from "./kwik-process.ts";

const folder = testFolder();
const NAMES = ["a", "b", "c", "d", "e"] as const;
const FILM = Buffer.from(patternBytes(9, 0, 24 * 1024 * 1024 + 99));
const URL_OF_FILM = "http://films.example/film";
const ends: (() => void)[] = [];

beforeAll(() => issueCluster(join(folder, "cluster"), NAMES), 60_000);

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Replica {
  readonly origin: TestOrigin;
  readonly gateway: GatewayProcess;
}

async function replica(name: string): Promise<Replica> {
  const origin = await TestOrigin.start();
  ends.push(() => origin.kill());
  origin.files.set("/film", { data: FILM, etag: '"v1"' });
  const issued = join(folder, "cluster", name);
  const identity = ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
  const flags = [
    "--name",
    name,
    "--origin",
    `films.example:80=http://127.0.0.1:${origin.port}`,
    "--log",
    "json",
    "--metrics",
    "127.0.0.1:0",
  ];
  const gateway = await startGateway(...identity, ...flags);
  ends.push(() => gateway.child.kill("SIGKILL"));
  return { origin, gateway };
}

async function proxyOver(replicas: readonly Replica[]): Promise<ProxyProcess> {
  const gateways = replicas.map(({ gateway }) => gateway);
  const flags = ["--http", "127.0.0.1:0", "-L", "127.0.0.1:0:films.example:80", "--log", "json", "--metrics", "127.0.0.1:0"];
  const proxy = await startProxy(gateways, ...flags);
  ends.push(() => proxy.child.kill("SIGKILL"));
  await expect
    .poll(() => logOf(proxy).filter(({ type }) => type === "path-active").length, { timeout: 30_000 })
    .toBeGreaterThanOrEqual(replicas.length - 1);
  return proxy;
}

/** The gateway that the proxy will choose next: each of the others has a connection more. */
async function nextHome(proxy: ProxyProcess, replicas: readonly Replica[]): Promise<Replica> {
  const [host = "", port = ""] = addressOf(proxy, "forward").split(":");
  for (let open = 1; open < replicas.length; open += 1) {
    const socket: Socket = connect(Number(port), host).on("error", () => undefined);
    ends.push(() => socket.destroy());
    await expect.poll(() => replicas.filter(({ origin }) => origin.connections > 0).length, { timeout: 30_000 }).toBe(open);
  }
  return replicas.find(({ origin }) => origin.connections === 0) as Replica;
}

function logOf(running: GatewayProcess | ProxyProcess): Record<string, unknown>[] {
  return running
    .said()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function metricsOf(running: GatewayProcess | ProxyProcess): Promise<string> {
  const notice = logOf(running).find(({ message }) => String(message).startsWith("metrics at "));
  return (await fetch(String(notice?.["message"]).slice("metrics at ".length))).text();
}

/**
 * The home dies once it has told all hashes, while a response is under way. Its ranges but the trial are held until it said so, eight at most at once; one that is asked for after them
 * follows upon one that the client got behind the hashes.
 */
function killHomeOnceHashed(replicas: readonly Replica[]): { readonly isDead: () => boolean } {
  let dead: Promise<void> | undefined;
  const home = (): Replica | undefined => replicas.find(({ origin }) => origin.requests.includes("GET /film"));
  const hashed = async (): Promise<void> => {
    const isSaid = (): boolean => logOf((home() as Replica).gateway).some(({ type }) => type === "content-hashed");
    await expect.poll(isSaid, { timeout: 30_000 }).toBe(true);
  };
  for (const replica of replicas) {
    let ranges = 0;
    replica.origin.beforeRange = async () => {
      ranges += 1;
      if (ranges === 1) return;
      const isAfter = ranges > 1 + MAX_RANGES_AT_ONCE;
      await hashed();
      if (isAfter && replica === home()) dead ??= kill(replica.gateway);
      // The others wait for the home, or would bring everything before it has died.
      if (isAfter) await expect.poll(() => dead !== undefined, { timeout: 30_000 }).toBe(true);
      await dead;
    };
  }
  return { isDead: () => dead !== undefined };
}

/** Of one session at one gateway. */
const MAX_RANGES_AT_ONCE = 8;

test("curl gets every byte right from five gateways, of which one dies, one lags, one has another version and one other bytes", async () => {
  const replicas = await Promise.all(NAMES.map(replica));
  const proxy = await proxyOver(replicas);
  const home = await nextHome(proxy, replicas);
  const [dying, lagging, stale, wrong] = replicas.filter((one) => one !== home) as [Replica, Replica, Replica, Replica];
  stale.origin.files.set("/film", { data: FILM, etag: '"v0"' });
  const other: OriginFile = { data: Buffer.from(FILM.map((byte, at) => (at < 1_000_000 ? byte : byte ^ 1))), etag: '"v1"' };
  wrong.origin.files.set("/film", other);
  for (const { origin } of replicas) origin.beforeRange = () => new Promise((resolve) => setTimeout(resolve, 20));
  // Behind the trial: a gateway whose trial is late has nothing.
  let laggingRanges = 0;
  lagging.origin.beforeRange = () => new Promise((resolve) => setTimeout(resolve, (laggingRanges += 1) === 1 ? 0 : 3_000));
  let ranges = 0;
  dying.origin.beforeRange = async () => {
    ranges += 1;
    if (ranges === 6) dying.gateway.child.kill("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const file = join(folder, "film");
  const { status, stderr } = await curl("-x", `http://${addressOf(proxy, "http")}`, "-o", file, URL_OF_FILM);
  expect([status, stderr]).toEqual([0, ""]);
  expect(Buffer.compare(await readFile(file), FILM)).toBe(0);
  expect(ranges).toBeGreaterThanOrEqual(6);
  const named = (type: string): string[] =>
    logOf(proxy)
      .filter((event) => event["type"] === type)
      .map(({ code, path }) => `${String(code)} ${String(path)}`);
  const at = ({ gateway }: Replica): string => gateway.url.slice("kwik://".length);
  expect(named("source-isolated").sort()).toEqual([`CONTENT_CORRUPT ${at(wrong)}`, `CONTENT_VERSION ${at(stale)}`]);
  expect(logOf(home.gateway).map(({ type }) => type)).toContain("content-offered");
  const metrics = await metricsOf(proxy);
  expect(metrics).toMatch(/kwik_proxy_sources_left_out_total\{code="CONTENT_CORRUPT"\} 1/);
  expect(metrics).toMatch(/kwik_proxy_sources_left_out_total\{code="CONTENT_VERSION"\} 1/);
  expect(await metricsOf(home.gateway)).toMatch(/kwik_gateway_content_offered_total\{server="[a-e]"\} 1/);
}, 120_000);

test("a gateway whose origin falls silent in the middle of a response is set aside, and told by the log and the page of metrics", async () => {
  const replicas = await Promise.all(["a", "b", "c"].map(replica));
  const proxy = await proxyOver(replicas);
  const home = await nextHome(proxy, replicas);
  const [silent, other] = replicas.filter((one) => one !== home) as [Replica, Replica];
  let isNamed = false;
  let ranges = 0;
  const never = new Promise<void>(() => undefined);
  // Behind the trial: a gateway whose trial is late has nothing.
  silent.origin.beforeRange = () => ((ranges += 1) === 1 ? Promise.resolve() : never);
  // The others take their time until it is named: three blocks of the silent one have to be fetched elsewhere, a second apart.
  for (const { origin } of [home, other])
    origin.beforeRange = () => (isNamed ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, 700)));
  const file = join(folder, "film");
  const download = curl("-x", `http://${addressOf(proxy, "http")}`, "-o", file, URL_OF_FILM);
  const slow = (): unknown[] => logOf(proxy).filter(({ type }) => type === "source-slow");
  await expect.poll(slow, { timeout: 30_000 }).not.toEqual([]);
  isNamed = true;
  expect(slow()[0]).toMatchObject({ code: "TIMEOUT", path: silent.gateway.url.slice("kwik://".length) });
  expect(await metricsOf(proxy)).toMatch(/kwik_proxy_sources_left_out_total\{code="TIMEOUT"\} [1-9]/);
  const { status, stderr } = await download;
  expect([status, stderr]).toEqual([0, ""]);
  expect(Buffer.compare(await readFile(file), FILM)).toBe(0);
}, 120_000);

test("curl keeps its response when the gateway that made it dies after its origin has sent everything", async () => {
  const replicas = await Promise.all(["a", "b", "c"].map(replica));
  const proxy = await proxyOver(replicas);
  const death = killHomeOnceHashed(replicas);
  const file = join(folder, "kept");
  const { status, stderr } = await curl("-m", "60", "-x", `http://${addressOf(proxy, "http")}`, "-o", file, URL_OF_FILM);
  expect([status, stderr]).toEqual([0, ""]);
  expect(death.isDead()).toBe(true);
  expect(Buffer.compare(await readFile(file), FILM)).toBe(0);
}, 120_000);

test("kwik get takes an http:// URL from all gateways, and goes on when one of them dies", async () => {
  const replicas = await Promise.all(["a", "b", "c"].map(replica));
  const out = join(folder, "got");
  const death = killHomeOnceHashed(replicas);
  const from = replicas.flatMap(({ gateway }) => ["--from", gateway.url]);
  const outcome = await kwik("get", URL_OF_FILM, ...from, "--ca", join(folder, "cluster/ca.pem"), "-o", out, "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(death.isDead()).toBe(true);
  expect(Buffer.compare(await readFile(out), FILM)).toBe(0);
  expect(reportOf(outcome)).toMatchObject({ bytes: FILM.length, isolated: [], sessions: 1 });
  const missing = await kwik(
    "get",
    "http://films.example/nothing",
    ...from.slice(2),
    "--ca",
    join(folder, "cluster/ca.pem"),
    "-o",
    `${out}-2`,
  );
  expect([missing.status, missing.stderr]).toEqual([5, expect.stringContaining("it is not there (404)")]);
}, 120_000);

test("kwik get leaves out a first gateway whose replica two others contradict", async () => {
  const replicas = await Promise.all(["a", "b", "c"].map(replica));
  replicas[0]?.origin.files.set("/film", { data: Buffer.from(FILM).fill(7), etag: '"v0"' });
  for (const { origin } of replicas) origin.beforeRange = () => new Promise((resolve) => setTimeout(resolve, 30));
  const out = join(folder, "voted");
  const from = replicas.flatMap(({ gateway }) => ["--from", gateway.url]);
  const outcome = await kwik("get", URL_OF_FILM, ...from, "--ca", join(folder, "cluster/ca.pem"), "-o", out, "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(Buffer.compare(await readFile(out), FILM)).toBe(0);
  expect(reportOf(outcome)).toMatchObject({
    isolated: [{ address: replicas[0]?.gateway.url.slice("kwik://".length), code: "CONTENT_VERSION" }],
  });
}, 120_000);

test("an http:// URL needs gateways, and is no https:// one", async () => {
  expect(await kwik("get", URL_OF_FILM)).toMatchObject({ status: 2, stderr: expect.stringContaining("--from") as string });
  expect(await kwik("get", "https://films.example/film", "--from", "kwik://127.0.0.1:1")).toMatchObject({ status: 2 });
});
