import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { missingPrograms } from "../debian/programs.ts";

const CHROMIUM = "/usr/bin/chromium";

/** Why there is no Chromium here, or undefined. */
export function missingChromium(): string | undefined {
  return missingPrograms({ [CHROMIUM]: "chromium" });
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
