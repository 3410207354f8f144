import { type IncomingMessage, request as httpRequest } from "node:http";
import { KwikError } from "@kwik/core";
import { parseContentRange } from "./content-range.ts";
import type { OriginPlace } from "./origin-place.ts";
import { strongEtag } from "./replicable.ts";

/** Kept connections that are found to be closed, for one range. */
const MAX_STALE_CONNECTIONS = 3;

/** What is asked of an origin, as the client's request named it. */
export interface RangeRequest {
  /** Whose turn it takes. */
  readonly session: string;
  readonly host: string;
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  /** Only of this version. */
  readonly etag?: string;
}

export interface RangeAnswer {
  readonly data: Uint8Array;
  readonly etag: string;
  /** Bytes of the whole. */
  readonly total: number;
}

/** The origin has something else than what was asked for, or gives no ranges of it. */
export class OtherVersionError extends Error {}

/**
 * Exactly these bytes (of the trial: as many as there are), in one answer that says of which version they are. Rejects with OtherVersionError, and with IO or UNREACHABLE
 * for an origin that breaks off, is late or away.
 */
export async function fetchRange(place: OriginPlace, request: RangeRequest, timeoutMs: number): Promise<RangeAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await place.turns.run(request.session, signal, () => fetchNow(place, request, signal));
  } catch (error) {
    if (error instanceof OtherVersionError) throw error;
    if (signal.aborted) throw new KwikError("TIMEOUT", `the origin did not give a range within ${timeoutMs} ms`, { cause: error });
    throw KwikError.from(error, "IO");
  }
}

async function fetchNow(place: OriginPlace, { host, path, offset, length, etag }: RangeRequest, signal: AbortSignal): Promise<RangeAnswer> {
  const response = await responseTo(place, signal, path, {
    Host: host,
    Accept: "*/*",
    "Accept-Encoding": "identity",
    Range: `bytes=${offset}-${offset + length - 1}`,
    ...(etag === undefined ? {} : { "If-Match": etag }),
  });
  try {
    return await answerOf(response, offset, length, etag);
  } catch (error) {
    response.destroy();
    throw error;
  }
}

/** An origin may end a kept connection just when it is used again: that says nothing of the origin. */
async function responseTo(
  place: OriginPlace,
  signal: AbortSignal,
  path: string,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  for (let tries = 1; ; tries += 1) {
    const request = httpRequest({ agent: place.agent, method: "GET", path, headers, setDefaultHeaders: false, signal });
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        request.once("response", resolve).on("error", reject);
        request.end();
      });
    } catch (error) {
      if (!request.reusedSocket || signal.aborted || tries > MAX_STALE_CONNECTIONS) throw error;
    }
  }
}

async function answerOf(response: IncomingMessage, offset: number, length: number, wanted: string | undefined): Promise<RangeAnswer> {
  const { statusCode, headersDistinct } = response;
  const etag = strongEtag(headersDistinct);
  const range = parseContentRange(headersDistinct["content-range"]?.[0] ?? "");
  if (statusCode !== 206) throw new OtherVersionError(`the origin answers a range with ${statusCode ?? 0}`);
  if (etag === undefined || (wanted !== undefined && etag !== wanted)) throw new OtherVersionError("the origin has another version");
  if (headersDistinct["content-encoding"] !== undefined) throw new OtherVersionError("the origin encodes its ranges");
  const bytes = wanted === undefined ? Math.min(length, (range?.total ?? 0) - offset) : length;
  if (range === undefined || bytes < 1 || range.from !== offset || range.to !== offset + bytes - 1)
    throw new OtherVersionError("the origin gives another range");
  const data = new Uint8Array(bytes);
  let at = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    if (at + chunk.length > bytes) throw new KwikError("IO", "the origin sent more than the range");
    data.set(chunk, at);
    at += chunk.length;
  }
  if (at !== bytes) throw new KwikError("IO", `the origin broke off after ${at} of ${bytes} bytes`);
  return { data, etag, total: range.total };
}
