import { readdirSync, readlinkSync } from "node:fs";
import { fileStore } from "./file-store.ts";

// Opens a file again and again, forgets what it got, and says how many stay open: `node --expose-gc forgotten-files.fixture.ts DIRECTORY NAME`.

const OPENINGS = 16;
const ROUNDS = 200;

const [, , directory = "", name = ""] = process.argv;
const store = fileStore(directory);

function openFiles(): number {
  let count = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).endsWith(name)) count += 1;
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return count;
}

async function openAndForget(): Promise<void> {
  for (let i = 0; i < OPENINGS; i += 1) await store.open(name);
}

await openAndForget();
const before = openFiles();
for (let i = 0; i < ROUNDS && openFiles() > 0; i += 1) {
  globalThis.gc?.();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
process.stdout.write(JSON.stringify({ wasOpen: before > 0, left: openFiles() }));
