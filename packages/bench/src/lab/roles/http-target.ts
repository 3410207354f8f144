import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Role } from "../../process/role.ts";
import { ArrivalLog, patternAt } from "../process/arrival-log.ts";

/** Bytes of the pattern that are written at once. */
const BLOCK_BYTES = 64 * 1024;

/** What a target says once it works. */
export interface HttpTargetReady {
  readonly port: number;
}

/** A web server that knows nothing of kwik: gives as many bytes of the laboratory's pattern as the path says, and compares what is uploaded with it. */
export async function httpTarget(): Promise<Role> {
  const server = createServer((request, response) => {
    const work = request.method === "GET" ? give(request, response) : take(request, response);
    work.catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const ready: HttpTargetReady = { port: (server.address() as AddressInfo).port };
  return { ready, commands: {} };
}

async function give(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = Number(request.url?.slice(1));
  const head = { etag: `"pattern-${bytes}"`, "accept-ranges": "bytes" };
  const [range, first = "", last = ""] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const from = range === undefined ? 0 : Number(first);
  const end = range === undefined ? bytes : Math.min(bytes, Number(last) + 1);
  if (range === undefined) response.writeHead(200, { ...head, "content-length": bytes });
  else response.writeHead(206, { ...head, "content-length": end - from, "content-range": `bytes ${from}-${end - 1}/${bytes}` });
  await pipeline(Readable.from(pattern(from, end)), response);
}

function* pattern(from: number, end: number): Generator<Uint8Array> {
  for (let at = from; at < end; at += BLOCK_BYTES) yield patternAt(at, Math.min(BLOCK_BYTES, end - at));
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const log = new ArrivalLog(Number(request.headers["content-length"]));
  for await (const data of request as AsyncIterable<Buffer>) log.push(data);
  const { bytes, wrongBytes, longestGapMs } = log.summary();
  response.end(JSON.stringify({ bytes, wrongBytes, longestGapMs }));
}
