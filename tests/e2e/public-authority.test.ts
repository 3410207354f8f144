import { join } from "node:path";
import { expect, test } from "vitest";
import { kwik, sha256OfFile, startKwik, startServer, testFolder, writeRandomFile } from "./kwik-process.ts";

/** Where each transport looks for authorities that everybody believes; here one of ours stands in for them. docs/guide/transports.md */
const PLACES = { quic: "SSL_CERT_FILE", tcp: "NODE_EXTRA_CA_CERTS", websocket: "NODE_EXTRA_CA_CERTS" };

test("without --ca or --pin a server is believed if a public authority vouches for its name, over every transport", async () => {
  const folder = testFolder();
  const cluster = join(folder, "cluster");
  const source = writeRandomFile(join(folder, "files/a.bin"), 300_000);
  expect((await kwik("cluster", "init", cluster)).status).toBe(0);
  expect((await kwik("cluster", "issue", cluster, "--host", "localhost", "--name", "a")).status).toBe(0);
  const [cert, key] = [join(cluster, "a/server.pem"), join(cluster, "a/server.key")];
  const server = await startServer(join(folder, "files"), "--cert", cert, "--key", key);
  const port = server.address.slice(server.address.lastIndexOf(":") + 1);
  for (const [transport, place] of Object.entries(PLACES)) {
    const env = { [place]: join(cluster, "ca.pem") };
    const out = join(folder, `${transport}.bin`);
    const get = (host: string) => ["get", `kwik://${host}:${port}/a.bin`, "--transport", transport, "-o", out];
    // An authority that nobody knows; one that is known, and vouches for another name.
    expect(await kwik(...get("localhost"))).toMatchObject({ status: 4, stderr: expect.stringContaining("not trusted") as string });
    expect(await startKwik(get("127.0.0.1"), { env }).outcome).toMatchObject({ status: 4 });
    expect(await startKwik(get("localhost"), { env }).outcome).toMatchObject({ status: 0 });
    expect(sha256OfFile(out)).toBe(source);
  }
});
