import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import type { Listing } from "./listing.ts";

/** What a page may ask for. */
export interface PageContent {
  listing(): Promise<Listing>;
  /** The page's button; false if there is no such server. */
  kill(name: string): Promise<boolean>;
}

/** Serves the page to this machine. Nothing of it is kwik's: any web server will do. */
export class PageServer {
  readonly #server: Server;
  readonly #content: PageContent;
  readonly #html = readFile(new URL("page/index.html", import.meta.url));
  readonly #script = bundle(fileURLToPath(new URL("page/main.ts", import.meta.url)));

  constructor(content: PageContent) {
    this.#content = content;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Answers the origin of the page, "http://localhost:8080". Port 0 is any free one. */
  async listen(port: number): Promise<string> {
    await Promise.all([this.#html, this.#script]);
    await new Promise<void>((resolve, reject) => this.#server.once("error", reject).listen(port, "127.0.0.1", resolve));
    const bound = this.#server.address();
    return `http://localhost:${typeof bound === "object" && bound !== null ? bound.port : port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body } = await this.#reply(request).catch((error: unknown) => plain(500, `It failed: ${String(error)}\n`));
    response.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" }).end(body);
  }

  async #reply(request: IncomingMessage): Promise<Reply> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    switch (`${request.method} ${pathname}`) {
      case "GET /":
        return { status: 200, type: "text/html", body: await this.#html };
      case "GET /main.js":
        return { status: 200, type: "text/javascript", body: await this.#script };
      case "GET /listing.json":
        return { status: 200, type: "application/json", body: JSON.stringify(await this.#content.listing()) };
      case "POST /kill": {
        // Pages of others may send this too, but not in the name of this one.
        const isOwn = request.headers.origin === `http://${request.headers.host}`;
        const isKilled = isOwn && (await this.#content.kill(searchParams.get("server") ?? ""));
        return isKilled ? plain(200, "It is gone.\n") : plain(403, "This is no server of the page.\n");
      }
      default:
        return plain(404, "There is no such page.\n");
    }
  }
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
}

function plain(status: number, body: string): Reply {
  return { status, type: "text/plain", body };
}

/** The page's script and what it imports, as one module for browsers. */
async function bundle(input: string): Promise<string> {
  // Started with this condition, a process works with kwik's sources instead of what was built of them.
  const isFromSource = process.execArgv.includes("--conditions=kwik-source");
  const conditionNames = [...(isFromSource ? ["kwik-source"] : []), "browser", "import", "default"];
  await using bundler = await rolldown({ input, platform: "browser", resolve: { conditionNames } });
  const { output } = await bundler.generate({ format: "esm", minify: true });
  return output[0].code;
}
