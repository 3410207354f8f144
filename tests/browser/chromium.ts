import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const INSTALL_TIMEOUT_MS = 300_000;

/** Why this machine has no such program, or undefined once it has; installs the package where it may. */
export function installed(path: string, packageName: string): string | undefined {
  if (existsSync(path)) return undefined;
  if (process.platform !== "linux" || process.getuid?.() !== 0) return `needs ${path}: install ${packageName}`;
  process.stderr.write(`installing ${packageName}\n`);
  try {
    // A fresh machine has no list of packages.
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", packageName]]) {
      execFileSync("apt-get", args, {
        stdio: "pipe",
        timeout: INSTALL_TIMEOUT_MS,
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      });
    }
  } catch {
    // said below
  }
  return existsSync(path) ? undefined : `needs ${packageName}, which could not be installed`;
}

/** Why there is no Chromium here, or undefined. */
export function missingChromium(): string | undefined {
  return installed(CHROMIUM, "chromium");
}

export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...args], headless: true });
}

/** Serves page.html on all of this machine's names; answers the port and how to stop. */
export async function servePage(): Promise<{ readonly port: number; close(): void }> {
  const html = await readFile(new URL("./page.html", import.meta.url));
  return serve((_path, answer) => answer("text/html", html));
}

/** Serves a page that runs a script, which is at /page.js for its workers too. */
export function serveScript(script: string): Promise<{ readonly port: number; close(): void }> {
  return serve((path, answer) => {
    if (path === "/page.js") answer("text/javascript", script);
    else answer("text/html", '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>');
  });
}

async function serve(
  onRequest: (path: string, answer: (type: string, body: string | Buffer) => void) => void,
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((request, response) =>
    onRequest(request.url ?? "", (type, body) => response.setHeader("content-type", type).end(body)),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}
