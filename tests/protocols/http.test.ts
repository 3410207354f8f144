import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { selfSigned } from "../compliance/tls-material.ts";
import { folderOfProcesses } from "./processes.ts";
import { sha256, writeRandom } from "./folder.ts";
import { isFullRun, whyNot } from "./full-run.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

// curl, wget and aria2 against nginx, and a server of uploads.

const SIZE = isFullRun ? 200_000_000 : 20_000_000;
const folder = folderOfProcesses();
let missing: string | undefined;
let digest = "";
let nginx: Server;
let rig: Rig;
const uploads = createServer((request, response) => {
  const hash = createHash("sha256");
  request.on("data", (data: Buffer) => hash.update(data));
  request.on("end", () => response.end(`${request.method} ${hash.digest("hex")}`));
});

beforeAll(async () => {
  missing = whyNot({
    "/usr/sbin/nginx": "nginx-light",
    "/usr/bin/curl": "curl",
    "/usr/bin/wget": "wget",
    ...(isFullRun ? { "/usr/bin/aria2c": "aria2" } : {}),
  });
  if (missing !== undefined) return;
  mkdirSync(join(folder, "root"));
  digest = writeRandom(join(folder, "root", "big.bin"), SIZE);
  const [plain, secure] = [await freePort(), await freePort()];
  nginx = await serve(plain, "/usr/sbin/nginx", ["-p", folder, "-c", await nginxConfiguration(plain, secure), "-e", "stderr"]);
  await new Promise<void>((resolve) => uploads.listen(0, "127.0.0.1", resolve));
  rig = await Rig.start({ plain, secure, uploads: (uploads.address() as AddressInfo).port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await nginx?.[Symbol.asyncDispose]();
  uploads.close();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

async function nginxConfiguration(plain: number, secure: number): Promise<string> {
  const { cert, key } = await selfSigned();
  for (const [name, text] of Object.entries({ "cert.pem": cert, "key.pem": key })) writeFileSync(join(folder, name), text);
  const file = join(folder, "nginx.conf");
  writeFileSync(
    file,
    `daemon off; ${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1; pid ${folder}/nginx.pid; error_log stderr;
events { worker_connections 512; }
http {
  access_log off; sendfile on; types { }
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${plain}; root ${folder}/root; }
  server { listen 127.0.0.1:${secure} ssl http2; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem; root ${folder}/root; }
}
`,
  );
  return file;
}

const curl = (...args: string[]) => run("curl", ["-sS", "--noproxy", "", "--fail", ...args]);
const target = (): number => nginx.port;

test.each([
  ["-L", () => [`http://${rig.address("plain")}/big.bin`]],
  ["SOCKS5", () => ["-x", `socks5h://${rig.listener("socks5")}`, `http://localhost:${target()}/big.bin`]],
  ["CONNECT", () => ["-p", "-x", `http://${rig.listener("http")}`, `http://localhost:${target()}/big.bin`]],
  ["the HTTP proxy", () => ["-x", `http://${rig.listener("http")}`, `http://localhost:${target()}/big.bin`]],
  ["-L, HTTP/2", () => ["-k", "--http2", `https://${rig.address("secure")}/big.bin`]],
])("curl downloads through %s while a line falls silent", async (_name, args) => {
  const { stdout } = await rig.faulty("silent", SIZE / 3, () => curl(...args()));
  expect(sha256(stdout)).toBe(digest);
});

test("curl uploads through -L and CONNECT while a line is killed", async () => {
  const { port } = uploads.address() as AddressInfo;
  for (const args of [[`http://${rig.address("uploads")}/`], ["-p", "-x", `http://${rig.listener("http")}`, `http://127.0.0.1:${port}/`]]) {
    const { stdout } = await rig.faulty("killed", SIZE / 3, () => curl("--data-binary", `@${join(folder, "root", "big.bin")}`, ...args));
    expect(stdout.toString()).toBe(`POST ${digest}`);
  }
});

test("curl gets a range, and goes on with a part", async () => {
  const whole = readFileSync(join(folder, "root", "big.bin"));
  const from = Math.round(SIZE / 4);
  const { stdout } = await rig.faulty("silent", SIZE / 8, () =>
    curl("-r", `${from}-${from + SIZE / 2 - 1}`, `http://${rig.address("plain")}/big.bin`),
  );
  expect(sha256(stdout)).toBe(sha256(whole.subarray(from, from + SIZE / 2)));
  const part = join(folder, "part.bin");
  writeFileSync(part, whole.subarray(0, SIZE / 2));
  await rig.faulty("killed", SIZE / 8, () => curl("-C", "-", "-o", part, `http://${rig.address("plain")}/big.bin`));
  expect(sha256(readFileSync(part))).toBe(digest);
});

test("wget downloads through the HTTP proxy and -L while a line falls silent", async () => {
  const proxy = ["-e", "use_proxy=on", "-e", `http_proxy=http://${rig.listener("http")}/`, `http://localhost:${target()}/big.bin`];
  for (const args of [proxy, ["--no-proxy", `http://${rig.address("plain")}/big.bin`]]) {
    const { stdout } = await rig.faulty("silent", SIZE / 3, () =>
      run("wget", ["-q", "-O", "-", "-t", "1", ...args], { env: { no_proxy: "" } }),
    );
    expect(sha256(stdout)).toBe(digest);
  }
});

test("aria2 downloads over four connections at once while a line is killed", async (context) => {
  if (!isFullRun) return context.skip("runs with npm run test:protocols");
  const flags = ["-q", "-x4", "-s4", "-k1M", "--max-tries=1", "-d", folder, "-o", "aria.bin", `--all-proxy=http://${rig.listener("http")}`];
  await rig.faulty("killed", SIZE / 3, () => run("aria2c", [...flags, `http://127.0.0.1:${target()}/big.bin`]));
  expect(sha256(readFileSync(join(folder, "aria.bin")))).toBe(digest);
});
