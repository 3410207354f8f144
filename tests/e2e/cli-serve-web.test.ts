import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { identityOf, initCluster, issueServer } from "@kwik/trust";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { nodeWebTransport } from "../browser/http3-client.ts";
import { kill, kwik, type ServerProcess, startKwik, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();
const files = join(folder, "files");
writeRandomFile(join(files, "a.bin"), 1_000);

/** What a page of an origin sees of a server's WebSocket: "open", or a status. */
function webSocketOutcome(server: Pick<ServerProcess, "address">, origin: string): Promise<string> {
  return new Promise((resolve) => {
    const ws = new WebSocket(`wss://${server.address}/kwik`, "kwik.1", { rejectUnauthorized: false, origin });
    ws.on("error", () => undefined);
    ws.once("unexpected-response", (_request, response) => resolve(String(response.statusCode)));
    ws.once("open", () => {
      ws.terminate();
      resolve("open");
    });
  });
}

/** Whether a server speaks WebTransport. */
async function speaksWebTransport(server: Pick<ServerProcess, "address">): Promise<boolean> {
  const [host = "", port] = server.address.split(":");
  try {
    const link = await nodeWebTransport().dial({
      address: { host, port: Number(port) },
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: 5_000,
      signal: undefined,
    });
    link.close(0, "");
    return true;
  } catch {
    return false;
  }
}

test("with --web a server speaks WebTransport, prints what a page needs, and writes its certificate", async () => {
  const certificateFile = join(folder, "server.pem");
  const server = await startServer(files, "--web", "--write-cert", certificateFile);
  expect(await speaksWebTransport(server)).toBe(true);
  const pem = readFileSync(certificateFile, "utf8");
  expect(identityOf(pem)).toBe(server.identity);
  await kill(server);
  const { stdout, stderr } = await server.outcome;
  const hash = new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
  expect(stdout.split("\n")[1]).toMatch(new RegExp(`^kwik: for browsers: certificate ${hash} until \\d{4}-`));
  expect(stderr).not.toContain("by its hash");
});

test("without --web it does not, and its WebSocket takes pages of its own host only", async () => {
  const server = await startServer(files);
  expect(await speaksWebTransport(server)).toBe(false);
  expect(await webSocketOutcome(server, "https://127.0.0.1:8443")).toBe("open");
  expect(await webSocketOutcome(server, "https://app.example")).toBe("403");
  await kill(server);
});

test("--allow-origin decides over WebSocket too, and an origin that is refused is told of", async () => {
  const server = await startServer(files, "--web", "--allow-origin", "https://app.example", "--allow-origin", "http://localhost:8080");
  const outcomes = ["https://app.example", "http://localhost:8080", "https://127.0.0.1", "https://other.example"];
  expect(await Promise.all(outcomes.map((origin) => webSocketOutcome(server, origin)))).toEqual(["open", "open", "403", "403"]);
  await expect.poll(() => server.said()).toContain("pages of its origin may not connect");
  await kill(server);
});

test("--json says the same to a program, and why a certificate is not good enough goes to standard error", async () => {
  await initCluster(join(folder, "cluster"));
  const { certFile, keyFile } = await issueServer(join(folder, "cluster"), { hosts: ["127.0.0.1"], name: "a" });
  for (const [flags, hasHash] of [
    [["--self-signed"], true],
    [["--cert", certFile, "--key", keyFile], false],
  ] as const) {
    const running = startKwik(["serve", files, "--listen", "127.0.0.1:0", "--web", "--json", ...flags]);
    const line = await new Promise<string>((resolve, reject) => {
      running.child.stdout?.once("data", (data: Buffer) => resolve(data.toString()));
      void running.outcome.then(({ stderr }) => reject(new Error(stderr)));
    });
    const report = JSON.parse(line) as { url: string; identity: string; certificate: string; web: { certificateHash: string | null } };
    expect(report).toMatchObject({ dir: files, url: expect.stringMatching(/^kwik:\/\/127\.0\.0\.1:\d+$/) });
    expect(identityOf(report.certificate)).toBe(report.identity);
    const hash = new X509Certificate(report.certificate).fingerprint256.replaceAll(":", "").toLowerCase();
    expect(report.web.certificateHash).toBe(hasHash ? hash : null);
    if (!hasHash) await expect.poll(() => running.said()).toMatch(/do not take this certificate by its hash: it is valid for 365\.04 days/);
    await kill(running);
  }
});

test("a certificate that cannot be written has status 8", async () => {
  const outcome = await kwik("serve", files, "--listen", "127.0.0.1:0", "--write-cert", join(folder, "no/such/folder.pem"));
  expect(outcome).toMatchObject({ status: 8, stderr: expect.stringContaining("choose another --write-cert") as string });
});
