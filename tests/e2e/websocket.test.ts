import { request } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kill, kwik, reportOf, sha256OfFile, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();
const files = join(folder, "files");
const source = writeRandomFile(join(files, "a.bin"), 3_000_000);

test("one port serves QUIC, TCP and WebSocket, and tells a browser what it is", async () => {
  const server = await startServer(files);
  for (const transport of ["quic", "tcp", "websocket"]) {
    const out = join(folder, `${transport}.bin`);
    const got = await kwik("get", `${server.url}/a.bin`, "--pin", server.identity, "--transport", transport, "-o", out, "--json");
    expect(got.status, got.stderr).toBe(0);
    expect(reportOf(got).paths).toMatchObject([{ transport, transportChoice: "option" }]);
    expect(sha256OfFile(out)).toBe(source);
  }
  const [host, port] = server.address.split(":");
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request({ host, port, path: "/", rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(404);
  await kill(server);
}, 60_000);
