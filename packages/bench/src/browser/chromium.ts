import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { PageReport, PageTask } from "./page-task.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];
const HTML = '<!doctype html><meta charset="utf-8"><title>kwik bench</title><script type="module" src="/page.js"></script>';

/** Chromium without a window, for pages that measure. */
export class Chromium {
  readonly #program: string;
  readonly #script: string;

  private constructor(program: string, script: string) {
    this.#program = program;
    this.#script = script;
  }

  /** Finds it and bundles the page. Rejects with what is missing. */
  static async find(): Promise<Chromium> {
    const folders = (process.env["PATH"] ?? "").split(delimiter);
    const program = PROGRAMS.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
    if (program === undefined) throw new Error(`it needs Chromium: none of ${PROGRAMS.join(", ")} is in PATH`);
    return new Chromium(program, await bundledPage());
  }

  /** Runs the page with a task, in a browser of its own; answers its result. */
  async run<T>(task: PageTask, timeoutMs: number): Promise<T> {
    const profile = await mkdtemp(join(tmpdir(), "kwik-chromium-"));
    const reported = Promise.withResolvers<PageReport>();
    const server = createServer((request, response) => {
      this.#answer(request, response, task, reported.resolve).catch(reported.reject);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const timer = setTimeout(() => reported.reject(new Error(`the page said nothing within ${timeoutMs} ms`)), timeoutMs);
    const child = this.#launch(profile, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const gone = once(child, "exit").then(() => reported.reject(new Error("Chromium ended before the page was done")));
    try {
      const report = await reported.promise;
      if ("error" in report) throw new Error(`the page failed: ${report.error}`);
      return report.result as T;
    } finally {
      clearTimeout(timer);
      child.kill("SIGKILL");
      await gone;
      server.close();
      server.closeAllConnections();
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, task: PageTask, onReport: (report: PageReport) => void): Promise<void> {
    if (request.url === "/") response.setHeader("Content-Type", "text/html").end(HTML);
    else if (request.url === "/page.js") response.setHeader("Content-Type", "text/javascript").end(this.#script);
    else if (request.url === "/task.json") response.setHeader("Content-Type", "application/json").end(JSON.stringify(task));
    else if (request.url === "/result" && request.method === "POST") {
      const report = JSON.parse(await text(request)) as PageReport;
      response.end();
      onReport(report);
    } else response.writeHead(404).end();
  }

  #launch(profile: string, url: string): ChildProcess {
    const flags = ["--headless", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
    // Its sandbox does not work as root.
    if (process.getuid?.() === 0) flags.push("--no-sandbox");
    return spawn(this.#program, [...flags, url], { stdio: "ignore" });
  }
}

/** The page's script and what it imports, as browsers would get it. */
async function bundledPage(): Promise<string> {
  const here = fileURLToPath(import.meta.url);
  const input = fileURLToPath(new URL(`./measuring-page${extname(here)}`, import.meta.url));
  const { rolldown } = await import("rolldown").catch((cause: unknown) => {
    throw new Error("it needs the bundler rolldown, which the workspace brings and a bare installation of kwik does not", { cause });
  });
  const isFromSource = process.execArgv.includes("--conditions=kwik-source");
  const conditionNames = [...(isFromSource ? ["kwik-source"] : []), "browser", "import", "default"];
  const bundle = await rolldown({ input, platform: "browser", resolve: { conditionNames } });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  return output[0].code;
}
