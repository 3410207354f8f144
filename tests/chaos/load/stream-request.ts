import type { ReceiveStream } from "kwik";

/**
 * What the client asks of a server on a stream: "exchange" sends bytes both ways at once, "content" is one that every server has, "push" comes on a stream that
 * the server opens, "raw" lets the server ask another one.
 */
export type RequestKind = "exchange" | "content" | "push" | "raw";

const KINDS: readonly RequestKind[] = ["exchange", "content", "push", "raw"];

/** The first bytes of a stream. */
export interface StreamRequest {
  readonly kind: RequestKind;
  /** Of the pattern that the client sends; what the server sends has the next one. */
  readonly key: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
}

const REQUEST_BYTES = 16;

/** With these codes the client gives up a direction of its streams. */
export const CANCEL_CODES = { reset: 77, stopReading: 78, diskFull: 79 } as const;

/** With this one it ends sessions. */
export const CLOSE_CODE = 99;

export function replyKey(request: StreamRequest): number {
  return request.key + 1;
}

export function encodeRequest({ kind, key, requestBytes, replyBytes }: StreamRequest): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, KINDS.indexOf(kind));
  view.setUint32(4, key);
  view.setUint32(8, requestBytes);
  view.setUint32(12, replyBytes);
  return bytes;
}

/** Undefined if the stream ends first. Throws for what no client of a run sends. */
export async function readRequest(stream: ReceiveStream): Promise<StreamRequest | undefined> {
  const bytes = new Uint8Array(REQUEST_BYTES);
  for (let got = 0; got < bytes.length; ) {
    const count = await stream.readInto(bytes.subarray(got));
    if (count === 0) return undefined;
    got += count;
  }
  const view = new DataView(bytes.buffer);
  const kind = KINDS[view.getUint32(0)];
  if (kind === undefined) throw new BrokenInvariant(`a stream begins with ${Buffer.from(bytes).toString("hex")}`);
  return { kind, key: view.getUint32(4), requestBytes: view.getUint32(8), replyBytes: view.getUint32(12) };
}

/** Something that must never happen, whatever goes wrong around it. */
export class BrokenInvariant extends Error {}
