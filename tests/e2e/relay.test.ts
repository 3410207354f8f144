import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { addressOf, curl, type GatewayProcess, type ProxyProcess, says, startGateway, startProxy, startRelay } from "./gateway-process.ts";
import { kill, kwik, reportOf, type Running, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";
import { PacedLine } from "./paced-line.ts";

const folder = testFolder();
/** What one connection of the line carries; three of them are the sum. */
const BYTES_PER_SECOND = 8_000_000;
const BIG = Buffer.alloc(30_000_000, "through a direct line and two relays ");
const sha256 = (text: string | Buffer): string => createHash("sha256").update(text, "latin1").digest("hex");

let target: Server;
let port = 0;
const body = join(folder, "body");

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(body, BIG);
  target = createServer((request, response) => {
    if (request.url === "/big") {
      response.end(BIG);
      return;
    }
    const hash = createHash("sha256");
    request.on("data", (data: Buffer) => hash.update(data));
    request.on("end", () => response.end(`got ${hash.digest("hex")}`));
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  port = (target.address() as AddressInfo).port;
});
afterAll(() => {
  target.closeAllConnections();
  target.close();
});
beforeEach((context) => {
  try {
    execFileSync("curl", ["--version"], { stdio: "pipe" });
  } catch {
    context.skip("needs curl");
  }
});

const metricsOf = async (running: Running): Promise<string> => (await fetch(/metrics at (\S+)/.exec(running.said())?.[1] as string)).text();

/** A metric without labels. */
async function metric(running: Running, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await metricsOf(running))?.[1]);
}

interface Routes extends Disposable {
  readonly gateway: GatewayProcess;
  readonly relays: readonly GatewayProcess[];
  readonly line: PacedLine;
  readonly proxy: ProxyProcess;
  /** Of the proxy, for curl. */
  readonly base: string;
}

/** A proxy with a direct path to its gateway and one through each of two relays. */
async function routes(): Promise<Routes> {
  const gateway = await startGateway("--allow", `127.0.0.1:${port}`);
  const line = await PacedLine.to({ host: "127.0.0.1", port: Number(new URL(gateway.url).port) }, BYTES_PER_SECOND);
  const flags = ["--home", `127.0.0.1:${line.port}`, "--metrics", "127.0.0.1:0", "--grace", "0"];
  const relays = [await startRelay(...flags), await startRelay(...flags)];
  const home = { url: `kwik+tcp://127.0.0.1:${line.port}`, identity: gateway.identity };
  const through = relays.flatMap((relay) => ["--relay", `${relay.url}#${relay.identity}`]);
  const proxy = await startProxy([home], ...through, "-L", `0:127.0.0.1:${port}`);
  for (const relay of relays) await says(proxy, `via ${new URL(relay.url).host}"`);
  return {
    gateway,
    relays,
    line,
    proxy,
    base: `http://${addressOf(proxy, "forward")}`,
    [Symbol.dispose]: () => {
      line[Symbol.dispose]();
      for (const running of [proxy, gateway, ...relays]) running.child.kill("SIGKILL");
    },
  };
}

const upload = async (base: string): Promise<void> => {
  const { stdout, stderr } = await curl("--data-binary", `@${body}`, `${base}/up`);
  expect(stdout, stderr).toBe(`got ${sha256(BIG)}`);
};
const download = async (base: string): Promise<void> => {
  const { stdout, stderr } = await curl(`${base}/big`);
  expect(sha256(stdout), stderr).toBe(sha256(BIG));
};

const LOSSES: readonly (readonly [string, (all: Routes) => unknown])[] = [
  ["a relay is killed", ({ relays }) => relays[0]?.child.kill("SIGKILL")],
  ["a relay is stopped", ({ relays }) => relays[0]?.child.kill("SIGTERM")],
  ["the direct line is cut", ({ line }) => line.connections[0]?.destroy()],
];
const TRANSFERS = [
  ["upload", upload, "kwik_relay_sent_bytes_total"],
  ["download", download, "kwik_relay_received_bytes_total"],
] as const;

// spec: RELAY-7, RELAY-8
for (const [name, transfer, counter] of TRANSFERS) {
  test.each(LOSSES)(`curl's ${name} goes on, byte for byte, when %s in the middle`, async (_loss, lose) => {
    using all = await routes();
    const done = transfer(all.base);
    const [first, second] = all.relays as [GatewayProcess, GatewayProcess];
    for (const relay of [first, second]) await expect.poll(() => metric(relay, counter)).toBeGreaterThan(BIG.length / 10);
    lose(all);
    await done;
    // The other one did its part to the end.
    expect(await metric(second, counter)).toBeGreaterThan(BIG.length / 5);
    await says(all.proxy, "path-dead");
  });
}

test("a relay counts what it carries for each client by name, refuses strangers, and ends with status 0", async () => {
  const tokens = join(folder, "tokens");
  writeFileSync(tokens, "laptop s3cret\n");
  writeFileSync(join(folder, "token"), "s3cret\n");
  const gateway = await startGateway("--allow", `127.0.0.1:${port}`);
  const home = `127.0.0.1:${new URL(gateway.url).port}`;
  const relay = await startRelay("--home", home, "--tokens", tokens, "--metrics", "127.0.0.1:0", "--name", "r", "--grace", "0");
  const named = `${relay.url}#${relay.identity}`;
  const flags = ["-L", `0:127.0.0.1:${port}`, "--relay", named];
  const stranger = await startProxy([gateway], ...flags, "--log", "json");
  await says(stranger, '"code":"AUTH_REFUSED"');
  await kill(stranger);
  const proxy = await startProxy([gateway], ...flags, "--relay-token-file", join(folder, "token"));
  await says(proxy, " via ");
  await upload(`http://${addressOf(proxy, "forward")}`);
  await says(relay, "kwik (r): link-opened client=laptop");
  const numbers = await metricsOf(relay);
  expect(numbers).toContain('kwik_relay_links{server="r"} 1\n');
  expect(numbers).toMatch(/kwik_relay_client_sent_bytes_total\{server="r",client="laptop"\} [1-9]/);
  relay.child.kill("SIGTERM");
  expect((await relay.outcome).status).toBe(0);
  // The direct path is left.
  await download(`http://${addressOf(proxy, "forward")}`);
  await Promise.all([kill(proxy), kill(gateway)]);
});

test("a gateway with --relay is a relay for others, and nothing it does not name is carried", async () => {
  const home = await startGateway("--allow", `127.0.0.1:${port}`);
  const both = await startGateway("--relay", `127.0.0.1:${new URL(home.url).port}`, "--metrics", "127.0.0.1:0", "--link-rate", "50MB/s");
  const plain = await startGateway("--allow", "127.0.0.1:*");
  const through = [both, plain].flatMap((relay) => ["--relay", `${relay.url}#${relay.identity}`]);
  const proxy = await startProxy([home], ...through, "-L", `0:127.0.0.1:${port}`);
  await says(proxy, `via ${new URL(both.url).host}"`);
  await says(proxy, "code=NOT_SUPPORTED");
  await upload(`http://${addressOf(proxy, "forward")}`);
  expect(await metric(both, "kwik_relay_links")).toBe(1);
  expect(await metric(both, "kwik_gateway_connections")).toBe(0);
  await Promise.all([proxy, home, both, plain].map(kill));
});

test("a file comes over the direct path and over the relayed one, and the report says which is which", async () => {
  const directory = join(folder, "files");
  const expected = writeRandomFile(join(directory, "file"), 5_000_000);
  const server = await startServer(directory, "--rate", "2MB/s");
  const relay = await startRelay("--home", server.address);
  const got = await kwik(
    ...["get", `${server.url}/file`, "--pin", server.identity, "--relay", `${relay.url}#${relay.identity}`],
    ...["-o", join(folder, "got"), "--json", "--quiet"],
  );
  expect(got.status, got.stderr).toBe(0);
  const report = reportOf(got);
  expect(report.sha256).toBe(expected);
  expect(report.paths.map((path) => path.address)).toEqual([server.address, server.address]);
  expect(report.paths.map((path) => path.relay)).toEqual([undefined, new URL(relay.url).host]);
  expect(Math.min(...report.paths.map((path) => path.bytes))).toBeGreaterThan(0);
  await Promise.all([kill(server), kill(relay)]);
});

test("what makes no sense is refused with its status", async () => {
  const file = "kwik://127.0.0.1:9/a";
  const refused = async (...args: string[]): Promise<string> => {
    const { status, stderr } = await kwik(...args);
    return `${status} ${stderr}`;
  };
  expect(await refused("relay")).toMatch(/^2 .*--listen/);
  expect(await refused("relay", "--listen", "127.0.0.1:0", "--home", "x")).toMatch(/^2 .*no target/);
  expect(await refused("relay", "--listen", "127.0.0.1:0", "--link-rate", "fast")).toMatch(/^2 .*is not a rate/);
  expect(await refused("get", file, "--relay", "nowhere at all")).toMatch(/^2 .*not a server address/);
  expect(await refused("get", file, "--relay", "kwik://127.0.0.1:9#sha256:1")).toMatch(/^2 .*not an identity/);
  expect(await refused("get", file, "--relay-token-file", body)).toMatch(/^2 .*needs a relay/);
  expect(await refused("get", file, "--relay", "kwik://127.0.0.1:9", "--relay-token-file", join(folder, "none"))).toMatch(
    /^8 .*cannot read/,
  );
});
