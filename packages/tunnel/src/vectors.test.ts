import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ANSWER_HEAD_BYTES, decodeTunnelAnswer, encodeTunnelAnswer, type TunnelAnswer } from "./answer-codec.ts";
import { decodePacket, encodePacket } from "./packet-codec.ts";
import { decodeTunnelRequest, encodeTunnelRequest, REQUEST_HEAD_BYTES, requestBodyBytes } from "./request-codec.ts";
import { TunnelStatus } from "./refusal.ts";
import type { TunnelTarget } from "./target.ts";

const pageOf = (name: string): string => readFileSync(new URL(`../../../docs/protocol/${name}.md`, import.meta.url), "utf8");
const page = pageOf("tunnel");
const pages = page + pageOf("relay");

function vector(name: string): Uint8Array {
  const block = new RegExp(`\`\`\`hex ${name}\\n([^]*?)\`\`\``).exec(pages)?.[1];
  if (block === undefined) throw new Error(`the page has no vector ${name}`);
  return new Uint8Array(Buffer.from(block.replace(/#.*$/gm, "").replace(/\s/g, ""), "hex"));
}

// spec: TUN-1, RELAY-1
test.each<[string, TunnelTarget]>([
  ["tunnel-request-tcp", { kind: "tcp", host: "example.org", port: 80 }],
  ["tunnel-request-unix", { kind: "unix", name: "db" }],
  ["tunnel-request-udp", { kind: "udp" }],
  ["relay-request", { kind: "link", host: "home.example.org", port: 4433 }],
])("%s is written and read as the page says", (name, target) => {
  const bytes = vector(name);
  expect(encodeTunnelRequest(target)).toEqual(bytes);
  expect(requestBodyBytes(bytes)).toBe(bytes.length - REQUEST_HEAD_BYTES);
  expect(decodeTunnelRequest(bytes.subarray(0, REQUEST_HEAD_BYTES), bytes.subarray(REQUEST_HEAD_BYTES))).toEqual(target);
});

// spec: TUN-3
test.each<[string, TunnelAnswer]>([
  ["tunnel-answer-connected", { connected: true, bound: { host: "10.0.0.7", port: 50_000 } }],
  ["tunnel-answer-connected-unix", { connected: true, bound: undefined }],
  ["tunnel-answer-refused", { connected: false, refusal: "not-allowed", reason: "no way !" }],
  ["relay-refused", { connected: false, refusal: "limit", reason: "too many" }],
])("%s is written and read as the page says", (name, answer) => {
  const bytes = vector(name);
  expect(encodeTunnelAnswer(answer)).toEqual(bytes);
  expect(decodeTunnelAnswer(bytes.subarray(0, ANSWER_HEAD_BYTES), bytes.subarray(ANSWER_HEAD_BYTES))).toEqual(answer);
});

// spec: TUN-8
test("tunnel-packet is written and read as the page says", () => {
  const bytes = vector("tunnel-packet");
  const packet = { address: { host: "1.1.1.1", port: 53 }, payload: new Uint8Array(Buffer.from("hi")) };
  expect(encodePacket(2052n, packet)).toEqual(bytes);
  expect(decodePacket(bytes)).toEqual({ streamId: 2052n, packet });
});

// spec: TUN-4
test("the statuses are those of the page's table", () => {
  const rows = [...page.matchAll(/^ {2}\| `([0-9a-f]{2})` \| ([a-z-]+) \|/gm)].map(([, number, name]) => [
    name,
    Number.parseInt(number as string, 16),
  ]);
  expect(Object.fromEntries(rows)).toEqual(TunnelStatus);
});
