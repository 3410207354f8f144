import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { addressOf, curl, type GatewayProcess, type ProxyProcess, says, startGateway, startProxy } from "./gateway-process.ts";
import { kill, kwik, startKwik, testFolder } from "./kwik-process.ts";

const folder = testFolder();
const BIG = Buffer.alloc(20_000_000, "kwik proxy ");
const sha256 = (text: string | Buffer): string => createHash("sha256").update(text, "latin1").digest("hex");

let target: Server;
let port = 0;
/** Answers that are given slowly: how many began. */
let slowBegun = 0;

beforeAll(async () => {
  target = createServer((request, response) => {
    if (request.url === "/big") return void response.end(BIG);
    if (request.url === "/slow") {
      slowBegun += 1;
      response.writeHead(200, { "content-length": "1000" });
      response.write("begun ");
      return;
    }
    const parts: Buffer[] = [];
    request.on("data", (data: Buffer) => parts.push(data));
    request.on("end", () => response.end(`${request.method} ${request.url} ${sha256(Buffer.concat(parts))}`));
  });
  await new Promise<void>((resolve) => target.listen(0, "::", resolve));
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

async function pair(...flags: string[]): Promise<{ gateway: GatewayProcess; proxy: ProxyProcess }> {
  const gateway = await startGateway(
    "--allow",
    `localhost:${port}`,
    "--allow",
    `127.0.0.1:${port}`,
    "--allow",
    `[::1]:${port}`,
    "--metrics",
    "127.0.0.1:0",
  );
  const forward = `0:127.0.0.1:${port}`;
  return {
    gateway,
    proxy: await startProxy([gateway], "-L", forward, "--socks5", "0", "--http", "0", "--metrics", "127.0.0.1:0", ...flags),
  };
}

const metricsOf = async (running: { said(): string }): Promise<string> =>
  (await fetch(/metrics at (\S+)/.exec(running.said())?.[1] as string)).text();

test("curl reaches a target by -L, SOCKS5 with name, IPv4 and IPv6, CONNECT, and as an HTTP proxy", async () => {
  const { gateway, proxy } = await pair();
  const forward = addressOf(proxy, "forward");
  const socks = addressOf(proxy, "socks5");
  const http = addressOf(proxy, "http");
  const body = join(folder, "body");
  writeFileSync(body, BIG);
  const ways: readonly (readonly [string, readonly string[]])[] = [
    [`http://${forward}`, []],
    [`http://localhost:${port}`, ["-x", `socks5h://${socks}`]],
    [`http://127.0.0.1:${port}`, ["-x", `socks5://${socks}`]],
    [`http://[::1]:${port}`, ["-x", `socks5h://${socks}`]],
    [`http://localhost:${port}`, ["-p", "-x", `http://${http}`]],
    [`http://[::1]:${port}`, ["-p", "-x", `http://${http}`]],
    [`http://localhost:${port}`, ["-x", `http://${http}`]],
  ];
  for (const [base, flags] of ways) {
    const down = await curl(...flags, `${base}/big`);
    expect(sha256(down.stdout), `${base} ${flags.join(" ")}: ${down.stderr}`).toBe(sha256(BIG));
    const up = await curl(...flags, "--data-binary", `@${body}`, `${base}/up`);
    expect(up.stdout, `${base} ${flags.join(" ")}: ${up.stderr}`).toBe(`POST /up ${sha256(BIG)}`);
  }
  const many = await Promise.all(Array.from({ length: 30 }, (_, i) => curl("-x", `socks5h://${socks}`, `http://localhost:${port}/${i}`)));
  for (const [i, { stdout }] of many.entries()) expect(stdout).toBe(`GET /${i} ${sha256("")}`);
  await expect.poll(() => metricsOf(gateway)).toContain("kwik_gateway_connections 0\n");
  const numbers = await metricsOf(gateway);
  expect(numbers).toContain("kwik_sessions 1\n");
  expect(numbers).toContain(`kwik_gateway_connected_total ${ways.length * 2 + many.length}\n`);
  expect(numbers).toMatch(new RegExp(`kwik_gateway_target_connected_total\\{target="tcp \\[::1\\]:${port}"\\} 4\n`));
  expect(await metricsOf(proxy)).toMatch(/kwik_proxy_connected 1\n[\s\S]*kwik_paths\{state="active"\} 1\n/);
  for (const running of [proxy, gateway]) running.child.kill("SIGTERM");
  expect((await proxy.outcome).status).toBe(0);
  expect((await gateway.outcome).status).toBe(0);
});

test("forbidden targets get the proper answers, and both sides say so, as JSON where asked", async () => {
  const { gateway, proxy } = await pair("--log", "json", "--name", "p");
  expect(await curl("-x", `socks5h://${addressOf(proxy, "socks5")}`, "http://10.0.0.1/")).toMatchObject({ status: 97 });
  expect(await curl("-p", "-x", `http://${addressOf(proxy, "http")}`, "http://10.0.0.1/")).toMatchObject({
    status: 56,
    stderr: expect.stringContaining("403") as string,
  });
  const plain = await curl("-w", "%{http_code}", "-x", `http://${addressOf(proxy, "http")}`, "http://10.0.0.1/");
  expect(plain.stdout).toMatch(/not on the list\n403$/);
  await says(gateway, "refused client=127.0.0.0/24");
  const lines = proxy
    .said()
    .split("\n")
    .filter((line) => line !== "");
  const events = lines.map((line) => JSON.parse(line) as { type: string; name: string; code?: string });
  expect(events.filter(({ type, name, code }) => type === "refused" && name === "p" && code === "not-allowed")).toHaveLength(3);
  await Promise.all([kill(proxy), kill(gateway)]);
});

test("when a gateway of two is killed its connections are lost, the others go on, and new ones go to the living one", async () => {
  const flags = ["--allow", `127.0.0.1:${port}`];
  const gateways = [await startGateway(...flags), await startGateway(...flags)] as const;
  const proxy = await startProxy(gateways, "--outage", "1", "-L", `0:127.0.0.1:${port}`);
  const address = addressOf(proxy, "forward");
  // Connections go to whoever has fewer: until both have one there may be one path only.
  slowBegun = 0;
  const slow: ReturnType<typeof curl>[] = [];
  const has = (gateway: GatewayProcess): boolean => gateway.said().includes(": connected ");
  while (!gateways.every(has)) {
    slow.push(curl(`http://${address}/slow`));
    await expect.poll(() => slowBegun).toBe(slow.length);
  }
  await kill(gateways[1]);
  const first = await Promise.race(slow);
  expect(first.stdout).toBe("begun ");
  // Not its own time limit, which is 28.
  expect([18, 56]).toContain(first.status);
  for (let i = 0; i < 5; i += 1) expect((await curl(`http://${address}/${i}`)).stdout).toBe(`GET /${i} ${sha256("")}`);
  target.closeAllConnections();
  await Promise.all(slow);
  await Promise.all([kill(proxy), kill(gateways[0])]);
}, 60_000);

test("a gateway that is stopped lets what is open finish, takes nothing new, and ends with status 0", async () => {
  const flags = ["--allow", `127.0.0.1:${port}`];
  const first = await startGateway(...flags);
  const proxy = await startProxy([first], "-L", `0:127.0.0.1:${port}`);
  const address = addressOf(proxy, "forward");
  slowBegun = 0;
  const open = curl(`http://${address}/slow`);
  await expect.poll(() => slowBegun).toBe(1);
  first.child.kill("SIGTERM");
  await says(first, "stopping");
  const refused = await curl(`http://${address}/`);
  expect(refused.status).not.toBe(0);
  target.closeAllConnections();
  expect((await open).stdout).toBe("begun ");
  expect((await first.outcome).status).toBe(0);
  await says(proxy, "session-lost");
  await kill(proxy);
});

test("settings come from a file, and the command line goes before them", async () => {
  const tokens = join(folder, "tokens");
  writeFileSync(tokens, "# clients\nlaptop s3cret\n");
  writeFileSync(join(folder, "token"), "s3cret\n");
  const config = join(folder, "gateway.json");
  writeFileSync(
    config,
    JSON.stringify({ listen: "127.0.0.1:0", allow: [`127.0.0.1:${port}`], tokens, idleTimeout: 5, name: "file", selfSigned: true }),
  );
  const gateway = await startGateway("--config", config, "--name", "flag");
  const settings = join(folder, "proxy.json");
  writeFileSync(
    settings,
    JSON.stringify({ servers: [gateway.url], pin: [gateway.identity], forward: [`0:127.0.0.1:${port}`], tokenFile: join(folder, "token") }),
  );
  const proxy = await startProxy([], "--config", settings);
  expect((await curl(`http://${addressOf(proxy, "forward")}/x`)).stdout).toBe(`GET /x ${sha256("")}`);
  await says(gateway, "kwik (flag): connected client=laptop");
  const stranger = await kwik("proxy", gateway.url, "--pin", gateway.identity, "--socks5", "0");
  expect(stranger).toMatchObject({ status: 4, stderr: expect.stringContaining("token") as string });
  await Promise.all([kill(proxy), kill(gateway)]);
});

test("what makes no sense is refused with its status", async () => {
  const bad = join(folder, "bad.json");
  const with_ = async (config: string, ...args: string[]) => {
    writeFileSync(bad, config);
    return kwik(...args, "--config", bad);
  };
  expect(await with_('{"alow":[]}', "gateway")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('"alow" is no setting') as string,
  });
  expect(await with_('{"allow":"a:1"}', "gateway")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("list of texts") as string,
  });
  expect(await with_('{"selfSigned":"yes"}', "gateway")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("true or false") as string,
  });
  expect(await with_('{"grace":"soon"}', "gateway")).toMatchObject({ status: 2, stderr: expect.stringContaining("seconds") as string });
  expect(await with_("{", "proxy")).toMatchObject({ status: 2, stderr: expect.stringContaining("is not JSON") as string });
  expect(await kwik("gateway")).toMatchObject({ status: 2, stderr: expect.stringContaining("--listen") as string });
  expect(await kwik("gateway", "--listen", "127.0.0.1:0", "--allow", "x")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("no target") as string,
  });
  expect(await kwik("proxy", "--socks5", "0")).toMatchObject({ status: 2, stderr: expect.stringContaining("no gateway") as string });
  expect(await kwik("proxy", "kwik://127.0.0.1:9")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("nothing to listen") as string,
  });
  expect(await kwik("proxy", "kwik://127.0.0.1:9", "-L", "x")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("no forward") as string,
  });
  expect(await kwik("proxy", "kwik+tcp://127.0.0.1:9", "--socks5", "0", "--insecure")).toMatchObject({ status: 3 });
  const busy = startKwik(["gateway", "--config", join(folder, "missing.json")]);
  expect(await busy.outcome).toMatchObject({ status: 8 });
});
