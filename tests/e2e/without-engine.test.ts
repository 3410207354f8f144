import { join } from "node:path";
import { expect, test } from "vitest";
import { kill, reportOf, sha256OfFile, startKwik, startServerWith, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();
const files = join(folder, "files");
const source = writeRandomFile(join(files, "a.bin"), 2_000_000);

/** As on a system for which the QUIC engine has no binary: it cannot be loaded. */
const WITHOUT_ENGINE = `
import { registerHooks } from "node:module";
registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith("@currentspace/http3")) throw new Error("no binary for this system");
    return next(specifier, context);
  },
});`;
const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(WITHOUT_ENGINE)}` };

test("where the QUIC engine does not load, TCP carries everything, and QUIC by name says so", async () => {
  const server = await startServerWith({ env }, files);
  const get = (...flags: string[]) =>
    startKwik(["get", `${server.url}/a.bin`, "--pin", server.identity, "-o", join(folder, "out.bin"), "--json", ...flags], { env }).outcome;
  const got = await get();
  expect(got.status, got.stderr).toBe(0);
  expect(reportOf(got).paths.map((path) => path.transport)).toEqual(["tcp"]);
  expect(sha256OfFile(join(folder, "out.bin"))).toBe(source);
  const byName = await get("--transport", "quic");
  const unusable = "kwik: the transport quic does not work on this machine; tcp and websocket would\n";
  expect(byName).toMatchObject({ status: 2, stderr: unusable });
  for (const args of [
    ["get", `${server.url.replace("kwik:", "kwik+quic:")}/a.bin`, "--insecure"],
    ["ls", `${server.url}/`, "--insecure", "--transport", "quic"],
    ["serve", files, "--listen", "kwik+quic://127.0.0.1:0"],
  ]) {
    expect(await startKwik(args, { env }).outcome, args.join(" ")).toMatchObject({ status: 2, stderr: unusable });
  }
  await kill(server);
}, 60_000);

test("there browsers are served over WebSocket only, and the operator is told", async () => {
  const server = await startServerWith({ env }, files, "--web");
  await expect.poll(() => server.said()).toContain("browsers are served over WebSocket only");
  await kill(server);
});
