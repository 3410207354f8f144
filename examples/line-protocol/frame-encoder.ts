import { escapePayload } from "./escaping.ts";
import type { PayloadForm } from "./payload-form.ts";

/** LINE-4: the bytes of one frame. The caller has made sure that the plain form can carry the payload. */
export function encodeFrame(item: string, chunk: number, total: number, payload: Uint8Array, form: PayloadForm): Buffer {
  const head = `${item}|${chunk}|${total}|${form === "length" ? `${payload.length}:` : ""}`;
  return Buffer.concat([Buffer.from(head), form === "escaped" ? escapePayload(payload) : payload, LINE_FEED]);
}

const LINE_FEED = Buffer.from("\n");
