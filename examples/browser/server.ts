// One file in a browser over three servers, any of which may be killed meanwhile.
// Run it: npx node examples/browser/server.ts [FILE] [--rate 5MB/s] [--port 8080]
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { FileServers } from "./file-servers.ts";
import type { Listing } from "./listing.ts";
import { PageServer } from "./page-server.ts";

/** The three servers together take this long, unless --rate says otherwise, in seconds. */
const DOWNLOAD_SECONDS = 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rate: { type: "string" }, port: { type: "string", default: "0" } },
});
// Without a name, a file that everybody has.
const file = await realpath(positionals[0] ?? process.execPath);
const { size: bytes } = await stat(file);
const rate = values.rate ?? `${Math.ceil(bytes / DOWNLOAD_SECONDS / 3)}B/s`;

// The page needs the servers, and they need to know where the page is from.
const servers = Promise.withResolvers<FileServers>();
const sha256 = sha256Of(file);
const page = new PageServer({
  listing: async (): Promise<Listing> => ({
    file: { name: basename(file), bytes, sha256: await sha256 },
    servers: (await servers.promise).listed,
  }),
  kill: async (name) => (await servers.promise).kill(name),
});
const origin = await page.listen(Number(values.port));
servers.resolve(await FileServers.start(file, rate, origin));
await sha256;
for (const { name, address } of (await servers.promise).listed) console.log(`server ${name} at ${address}, ${rate}`);
console.log(`${basename(file)} is ready: open ${origin}/ in a browser (Ctrl-C ends it)`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(0));

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
