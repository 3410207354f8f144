import { once } from "node:events";
import { connect } from "node:http2";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { expect, test } from "vitest";
import { CODE_LENGTHS } from "./huffman-code-lengths.ts";
import { decodeHuffman } from "./huffman.ts";
import { decodePrefixedInteger } from "./prefixed-integer.ts";

const decodeHex = (hex: string): string | undefined => decodeHuffman(Buffer.from(hex.replaceAll(" ", ""), "hex"));

test("the examples of RFC 7541 appendix C.4 and C.6", () => {
  expect(decodeHex("f1e3 c2e5 f23a 6ba0 ab90 f4ff")).toBe("www.example.com");
  expect(decodeHex("a8eb 1064 9cbf")).toBe("no-cache");
  expect(decodeHex("25a8 49e9 5ba9 7d7f")).toBe("custom-key");
  expect(decodeHex("25a8 49e9 5bb8 e8b4 bf")).toBe("custom-value");
  expect(decodeHex("6402")).toBe("302");
  expect(decodeHex("aec3 771a 4b")).toBe("private");
  expect(decodeHex("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff")).toBe("Mon, 21 Oct 2013 20:13:21 GMT");
  expect(decodeHex("9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3")).toBe("https://www.example.com");
  expect(
    decodeHex("94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"),
  ).toBe("foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
});

test("the lengths are those of a complete code", () => {
  expect(CODE_LENGTHS).toHaveLength(257);
  expect(CODE_LENGTHS.reduce((sum, length) => sum + 2 ** -length, 0)).toBe(1);
});

test("what HTTP/2 of this Node encodes is decoded: each byte that a header may have", async () => {
  const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((each) => /[!-~\x80-\xff]/.test(each));
  // Enough digits make the code shorter than the text, so that it is used.
  const value = characters.join("") + "0".repeat(1_500);
  const bytes = await firstRequest({ ":path": "/", "x-probe": value });
  const found = bytes.findIndex((_, at) => {
    const length = decodePrefixedInteger(bytes, at, 7);
    return length !== undefined && decodeHuffman(bytes.subarray(length.next, length.next + length.value)) === value;
  });
  expect(found).toBeGreaterThan(0);
});

test("a wrong end is refused: padding of a byte, of zeros, and the end mark", () => {
  expect(decodeHex("a8eb 1064 9cbf ff")).toBeUndefined();
  expect(decodeHex("a8eb 1064 9cbe")).toBeUndefined();
  expect(decodeHex("ffff ffff")).toBeUndefined();
  expect(decodeHex("ffff fffc")).toBeUndefined();
  expect(decodeHex("")).toBe("");
});

/** What an HTTP/2 client of this Node sends for a request. */
async function firstRequest(headers: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => undefined);
  client.request(headers).on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const chunks: Buffer[] = [];
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
  });
  while (bytes < 1_200) await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return Buffer.concat(chunks);
}
