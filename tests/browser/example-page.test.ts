import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { writeRandomFile } from "../e2e/kwik-process.ts";
import { launchChromium, missingChromium } from "./chromium.ts";
import { countPixels, decodePng } from "./png.ts";

// The page of examples/browser in Chromium: three rate-limited servers, one of which is killed in the middle of the download.

const INSTALL_MS = 600_000;
const FILE_BYTES = 12_000_000;
const RATE = "1MB/s";
const VIEWPORT = { width: 660, height: 690 };
/** The bars of the page in its light colours. */
const SERVER_BAR = [0x2f, 0x6f, 0xdb] as const;
const WHOLE_BAR = [0x13, 0x8a, 0x5e] as const;

let missing: string | undefined;
let browser: Browser;
let folder: string;
let sha256: string;
let server: ChildProcess | undefined;
let tab: Page;

beforeAll(async () => {
  missing = missingChromium();
  if (missing !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "kwik-page-"));
  sha256 = writeRandomFile(join(folder, "a.bin"), FILE_BYTES);
  browser = await launchChromium();
}, INSTALL_MS);

beforeEach(async (context) => {
  if (missing !== undefined) context.skip(missing);
  tab = await browser.newPage({ viewport: VIEWPORT, colorScheme: "light" });
  await tab.goto(await startExample());
});

afterEach(async () => {
  await tab.close();
  server?.kill();
  if (server !== undefined) await once(server, "exit");
  server = undefined;
});

afterAll(async () => {
  if (missing !== undefined) return;
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the example; answers where its page is. */
async function startExample(): Promise<string> {
  const script = fileURLToPath(new URL("../../examples/browser/server.ts", import.meta.url));
  const started = spawn(process.execPath, ["--conditions=kwik-source", script, join(folder, "a.bin"), "--rate", RATE], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  server = started;
  let said = "";
  started.stderr.on("data", (data: Buffer) => (said += data.toString()));
  for await (const data of started.stdout) {
    said += String(data);
    const url = /open (http:\S+) in a browser/.exec(said)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`the example ended: ${said}`);
}

/** Bytes that the page says it has of each server. */
function bytesOfServers(): Promise<Record<string, number>> {
  return tab.evaluate(
    `Object.fromEntries([...document.querySelectorAll(".server")].map((row) => [row.dataset.server, Number(row.dataset.bytes ?? 0)]))`,
  );
}

/** Downloads, and kills a server once each has given a tenth. */
async function downloadAndKill(victim: string): Promise<Record<string, number>> {
  await tab.click("#start:enabled");
  await expect.poll(async () => Math.min(...Object.values(await bytesOfServers()))).toBeGreaterThan(FILE_BYTES / 10);
  await tab.click(`[data-server=${victim}] .kill`);
  await tab.waitForSelector(`[data-server=${victim}].gone`);
  const atKill = await bytesOfServers();
  await tab.waitForSelector("body[data-state=done], body[data-state=failed]");
  expect(await tab.textContent("#status")).toMatch(/^Complete: 12\.0 MB in .*SHA-256 is as listed:$/);
  expect(await tab.textContent("#digest")).toBe(sha256);
  return atKill;
}

test.each([["B"], ["A"]])(
  "a download goes on when server %s is killed, and its SHA-256 is right",
  async (victim) => {
    const atKill = await downloadAndKill(victim);
    const atEnd = await bytesOfServers();
    const survivors = ["A", "B", "C"].filter((name) => name !== victim);
    for (const name of survivors) expect(atEnd[name], name).toBeGreaterThan((atKill[name] ?? 0) + FILE_BYTES / 10);
    expect(atEnd[victim]).toBeLessThan(FILE_BYTES / 2);
    const link = await tab.evaluate(
      `fetch(document.getElementById("save").href).then((answer) => answer.blob()).then((blob) => blob.size)`,
    );
    expect(link).toBe(FILE_BYTES);
  },
  60_000,
);

test("the picture of the page shows a bar per server and one for the whole", async () => {
  await downloadAndKill("B");
  const png = await tab.screenshot();
  const file = join(mkdtempSync(join(tmpdir(), "kwik-screenshot-")), "browser.png");
  writeFileSync(file, png);
  process.stderr.write(`screenshot of the example page: ${file}\n`);
  const picture = decodePng(png);
  expect([picture.width, picture.height]).toEqual([VIEWPORT.width, VIEWPORT.height]);
  // Bars are 13 pixels high and up to 550 wide; the whole one is full, those of two servers hold about nine tenths of one together.
  expect(countPixels(picture, WHOLE_BAR)).toBeGreaterThan(5_000);
  expect(countPixels(picture, SERVER_BAR)).toBeGreaterThan(2_500);
}, 60_000);
