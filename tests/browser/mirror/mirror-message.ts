import type { LinkCapabilities, LinkCloseInfo, LinkProperties } from "@kwik/core";

/** What a page asks of the servers that Node runs for it. */
export type PageMessage =
  | { readonly ask: "listen"; readonly request: number; readonly port: number }
  | { readonly ask: "close-listener"; readonly request: number; readonly listener: number }
  | { readonly ask: "mortal"; readonly request: number }
  | { readonly ask: "kill"; readonly mortal: number }
  | { readonly ask: "open" | "send" | "reset"; readonly link: number; readonly carrier: number }
  | { readonly ask: "datagram"; readonly link: number }
  | { readonly ask: "close-link"; readonly link: number; readonly code: number; readonly reason: string };

/** What Node tells of them. */
export type ServerMessage =
  | { readonly tell: "answer"; readonly request: number; readonly value: MirroredServer }
  | { readonly tell: "failure"; readonly request: number; readonly code: string; readonly message: string }
  | {
      readonly tell: "link";
      readonly listener: number;
      readonly link: number;
      readonly capabilities: LinkCapabilities;
      readonly properties: LinkProperties;
      readonly maxDatagramBytes: number;
    }
  | { readonly tell: "carrier" | "data" | "end"; readonly link: number; readonly carrier: number }
  | { readonly tell: "datagram" | "batch-end"; readonly link: number }
  | { readonly tell: "close"; readonly link: number; readonly info: LinkCloseInfo };

/** A listener, or a server in a process of its own. */
export interface MirroredServer {
  readonly id: number;
  readonly port: number;
}

/** A message and its bytes as one: the length of the JSON, the JSON, the rest. */
export function packMessage(message: PageMessage | ServerMessage, parts: readonly Uint8Array[] = []): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(JSON.stringify(message));
  const packed = new Uint8Array(4 + head.length + parts.reduce((sum, part) => sum + part.length, 0));
  new DataView(packed.buffer).setUint32(0, head.length);
  packed.set(head, 4);
  let at = 4 + head.length;
  for (const part of parts) {
    packed.set(part, at);
    at += part.length;
  }
  return packed;
}

/** The bytes lie in a buffer of their own, as those of a link may have to. */
export function unpackMessage(packed: Uint8Array): { readonly message: unknown; readonly data: Uint8Array } {
  const end = 4 + new DataView(packed.buffer, packed.byteOffset).getUint32(0);
  return { message: JSON.parse(new TextDecoder().decode(packed.subarray(4, end))), data: new Uint8Array(packed.subarray(end)) };
}
