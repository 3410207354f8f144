import type { IncomingMessage } from "node:http";
import { parseContentRange } from "@kwik/gateway";
import { requestThrough } from "@kwik/proxy";
import { type ClientSession, isKwikError } from "kwik";
import { CommandError, ExitStatus } from "../exit-status.ts";
import type { OpenedFile } from "../files/file-client.ts";
import { FileRequestError } from "../files/file-protocol.ts";
import type { RemoteFile } from "./remote-file.ts";

/** A file of a web server behind gateways. */
export class OriginFile implements RemoteFile {
  readonly path: string;
  readonly #url: URL;

  /** Takes http://HOST[:PORT]/PATH. Throws a usage error for anything else. */
  constructor(text: string) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.protocol !== "http:" || url.username !== "" || url.password !== "")
      throw new CommandError(
        ExitStatus.usage,
        `"${text}" is no http:// URL; the gateways speak https to the server where their --origin says so, here it is always http://HOST/PATH`,
      );
    this.#url = url;
    this.path = url.href;
  }

  async open(session: ClientSession, offset: number, version: string | undefined): Promise<OpenedFile> {
    const { host, hostname, port, pathname, search } = this.#url;
    if (offset > 0 && (version ?? "") === "")
      throw new FileRequestError("version-changed", "the web server gives no strong ETag, so a broken download cannot go on");
    const range: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-`, "If-Range": version as string } : {};
    const target = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
    const headers = { Host: host, Accept: "*/*", ...range };
    const response = await requestThrough(session, target, `${pathname}${search}`, headers).catch(brokenOff);
    try {
      return openedFrom(response, this.#name, offset);
    } catch (error) {
      response.destroy();
      throw error;
    }
  }

  hashes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  get #name(): string {
    return this.#url.pathname.slice(this.#url.pathname.lastIndexOf("/") + 1);
  }
}

function openedFrom(response: IncomingMessage, name: string, offset: number): OpenedFile {
  const { statusCode = 0, headersDistinct } = response;
  if (statusCode !== (offset > 0 ? 206 : 200)) throw refusalOf(statusCode, offset);
  const length = Number(response.headers["content-length"] ?? NaN);
  if (!Number.isSafeInteger(length)) throw new FileRequestError("failed", "the web server does not say how long it is");
  const range = parseContentRange(response.headers["content-range"] ?? "");
  if (offset > 0 && (range?.from !== offset || range.total !== offset + length))
    throw new FileRequestError("failed", "the web server gives another range than was asked for");
  const [etag = ""] = headersDistinct["etag"] ?? [];
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return {
    found: { status: "ok", name, size: offset + length, version: etag.startsWith('"') ? etag : "", offset },
    read: async () => {
      const next = await chunks.next().catch(brokenOff);
      return next.done === true ? null : next.value;
    },
  };
}

/** What Node says of a connection that broke off is no fault of this program. */
function brokenOff(error: unknown): never {
  if (isKwikError(error)) throw error;
  throw new FileRequestError("failed", `the connection to the web server broke off (${(error as Error).message})`);
}

function refusalOf(status: number, offset: number): FileRequestError {
  if (status === 404 || status === 410) return new FileRequestError("not-found", "it is not there (404)");
  if (status === 401 || status === 403) return new FileRequestError("forbidden", `the web server does not give it out (${status})`);
  if (offset > 0 && (status === 200 || status === 416)) return new FileRequestError("version-changed", "it has changed on the web server");
  return new FileRequestError("failed", `the web server answered ${status}`);
}
