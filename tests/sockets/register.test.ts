import { execFile } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { AppReport } from "./app-process.ts";
import { startGateway, startRelay, type TestGateway } from "./test-gateway.ts";

const APP = fileURLToPath(new URL("app-process.ts", import.meta.url));
const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function web(): Promise<{ port: number; requests: string[] }> {
  const requests: string[] = [];
  const server = http.createServer((request, response) => {
    requests.push(request.url ?? "");
    response.end(`served ${request.url}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ending.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, requests };
}

async function gateway(): Promise<TestGateway> {
  const made = await startGateway();
  ending.push(() => made.close());
  return made;
}

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
}

/** `node --import kwik/register app`, on the sources. */
function run(variables: Record<string, string>, args: readonly (string | number)[]): Promise<Run> {
  const env = { ...process.env, NODE_OPTIONS: "", ...variables };
  const nodeArgs = ["--conditions=kwik-source", "--import", "kwik/register", APP, ...args.map(String)];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, nodeArgs, { env, timeout: 25_000 }, (_error, out, error) =>
      resolve({ status: child.exitCode, out, error }),
    );
  });
}

test("an unchanged program reaches a name of the gateway's network, by http, fetch and bare sockets; the rest is untouched", async () => {
  const [target, other, gate] = [await web(), await web(), await gateway()];
  const route = `inner.example:*=${gate.url},*.invalid:*=${gate.url}`;
  const { out, error, status } = await run({ KWIK_ROUTE: route, KWIK_PIN: gate.identity }, ["inner.example", target.port, other.port]);
  expect({ status, error }).toEqual({ status: 0, error: "" });
  expect(JSON.parse(out) as AppReport).toEqual({
    fetched: "served /fetched",
    got: "served /got",
    raw: "HTTP/1.1 200 OK",
    later: "HTTP/1.1 200 OK",
    peer: `inner.example:${target.port}`,
    isSocket: true,
    refused: "ECONNREFUSED connect",
    notFound: "ENOTFOUND getaddrinfo",
    untouched: "served /",
  });
  expect(target.requests.toSorted()).toEqual(["/fetched", "/got", "/raw", "/raw"]);
  expect(gate.sessions()).toBe(1);
  expect(gate.resolved.filter((name) => name.endsWith(".invalid"))).toHaveLength(1);
});

test("an unchanged program reaches a gateway that only a relay can reach", async () => {
  const [target, other, gate] = [await web(), await web(), await gateway()];
  const relay = await startRelay("home.invalid", "s3cret");
  ending.push(() => relay.close());
  const variables = {
    KWIK_ROUTE: `inner.example:*=kwik://home.invalid:${new URL(gate.url).port}`,
    KWIK_PIN: gate.identity,
    KWIK_RELAY: relay.address,
    KWIK_RELAY_TOKEN: "s3cret",
  };
  const { out, error } = await run(variables, ["inner.example", target.port, other.port]);
  expect(error).toBe("");
  expect(JSON.parse(out)).toMatchObject({ fetched: "served /fetched", got: "served /got", untouched: "served /" });
  expect(relay.stats().openedTotal).toBe(1);
});

test("without a rule nothing changes", async () => {
  const target = await web();
  const { out, error } = await run({ KWIK_ROUTE: "" }, ["127.0.0.1", target.port, target.port]);
  expect(error).toBe("");
  expect(JSON.parse(out)).toMatchObject({ got: "served /got", peer: `127.0.0.1:${target.port}` });
});

test("a gateway that is not there, or is not believed, is ECONNREFUSED for the program", async () => {
  const gate = await gateway();
  const { port } = await web();
  for (const [url, trust, words] of [
    ["kwik+tcp://127.0.0.1:1", "1", /connect ECONNREFUSED inner.example:\d+ \(127.0.0.1:1/],
    [gate.url, "", /connect ECONNREFUSED inner.example:\d+ \(.*cannot verify/],
  ] as const) {
    const { status, error } = await run({ KWIK_ROUTE: `inner.example:*=${url}`, KWIK_INSECURE: trust }, ["inner.example", port, port]);
    expect(status).toBe(1);
    expect(error).toMatch(words);
  }
});

test("a rule or variable that makes no sense ends the program before it begins, and is named", async () => {
  for (const [variables, words] of [
    [{ KWIK_ROUTE: "db:5432" }, /KWIK_ROUTE, "db:5432": write host:port=kwik:/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_PIN: "sha256:12" }, /KWIK_PIN: "sha256:12" is no identity/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_CA: "/no/such/file" }, /KWIK_CA: cannot read/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_INSECURE: "yes" }, /KWIK_INSECURE is 1 or 0/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_RELAY: "no where" }, /KWIK_RELAY: .*not a server address/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_RELAY: "kwik://a#sha256:1" }, /KWIK_RELAY: .*not an identity/],
    [{ KWIK_ROUTE: "db:1=kwik://a", KWIK_RELAY_TOKEN: "t" }, /KWIK_RELAY_TOKEN needs a relay/],
  ] as const) {
    const { status, error, out } = await run(variables, ["x", 1, 1]);
    expect(status).toBe(1);
    expect(error).toMatch(words);
    expect(out).toBe("");
  }
});
