import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { isFullRun } from "../protocols/full-run.ts";
import { LEFT_OUT } from "./left-out.ts";
import { nodeSources } from "./node-sources.ts";

// Node's own tests of net and http, unchanged, in processes whose `net` and `http` are sockets of kwik over TCP.

const SWAP = new URL("swap-net.ts", import.meta.url).href;
/** A bound against hanging: the slowest needs a few seconds. */
const LIMIT_MS = 60_000;
/** At once: some tests have times of their own, which they miss where more compete. */
const MAX_PROCESSES = 2;

const sources = isFullRun ? nodeSources() : { missing: "Node's own tests run with npm run test:protocols" };

if ("missing" in sources) {
  test("Node's own tests of net and http", (context) => context.skip(sources.missing));
} else {
  const { root } = sources;
  const cache = mkdtempSync(join(tmpdir(), "kwik-node-suite-"));
  afterAll(() => rmSync(cache, { recursive: true, force: true }));
  const filesIn = (folder: string): string[] =>
    readdirSync(join(root, "test", folder))
      .filter((name) => /^test-(?:net|http)-.*\.m?js$/.test(name))
      .map((name) => `${folder}/${name}`);
  const define = (file: string): void => {
    test(file, { timeout: LIMIT_MS * 10 }, async (context) => {
      const reason = LEFT_OUT.get(file);
      if (reason !== undefined) context.skip(reason);
      const { status, said } = await turn(() => run(root, file, cache));
      expect(status, said.slice(-4_000)).toBe(0);
    });
  };
  describe.concurrent("parallel", () => {
    for (const file of filesIn("parallel")) define(file);
  });
  // They have a port in common.
  describe("sequential", () => {
    for (const file of filesIn("sequential")) define(file);
  });
  test("every file that is left out is there", () => {
    const files = new Set([...filesIn("parallel"), ...filesIn("sequential")]);
    expect([...LEFT_OUT.keys()].filter((file) => !files.has(file))).toEqual([]);
  });
}

const waiting: (() => void)[] = [];
let running = 0;

async function turn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MAX_PROCESSES) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

function run(root: string, file: string, cache: string): Promise<{ status: number | null; said: string }> {
  const path = join(root, "test", file);
  const flags = /\/\/ Flags: (.*)/.exec(readFileSync(path, "utf8"))?.[1]?.split(" ") ?? [];
  const env = {
    ...process.env,
    NODE_OPTIONS: `--conditions=kwik-source --import ${SWAP}`,
    NODE_COMPILE_CACHE: cache,
    // Globals that came after Node 18.
    NODE_TEST_KNOWN_GLOBALS: "0",
    TEST_THREAD_ID: file.replace(/\W/g, "_"),
    KWIK_TRANSPORT: "tcp",
  };
  return new Promise((resolve) => {
    // In a group of its own, so that what it starts ends with it.
    const child = spawn(process.execPath, [...flags, path], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (said += data.toString()));
    const stop = (): void => {
      try {
        process.kill(-(child.pid as number), "SIGKILL");
      } catch {
        // They are gone.
      }
    };
    const timer = setTimeout(() => {
      said += `\nit did not end within ${LIMIT_MS} ms`;
      stop();
    }, LIMIT_MS);
    child.once("exit", (status) => {
      clearTimeout(timer);
      stop();
      resolve({ status, said });
    });
  });
}
