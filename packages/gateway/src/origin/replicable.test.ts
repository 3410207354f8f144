import { expect, test } from "vitest";
import { contentIdOf, parseContentId } from "./content-id.ts";
import { HeadReader } from "./head-reader.ts";
import { parseRequestHead, parseResponseHead } from "./http-head.ts";
import { parseOriginRule, targetKey } from "./origin-rule.ts";
import { isBareGet, replicableRequest, replicableResponse } from "./replicable.ts";

const MAX_BYTES = 32 * 1024;
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const request = (text: string) => parseRequestHead(bytes(text), MAX_BYTES);
const response = (more: string, status = "200 OK") => parseResponseHead(bytes(`HTTP/1.1 ${status}\r\n${more}\r\n`), MAX_BYTES);
const GOOD = 'Content-Length: 5000000\r\nETag: "a"\r\nAccept-Ranges: bytes\r\n';

test("a plain GET is what any replica could answer", async () => {
  const head = await request("GET /a?b=c HTTP/1.1\r\nHost: films.example:81\r\nAccept: */*\r\n\r\n");
  expect(head).toMatchObject({ method: "GET", path: "/a?b=c", httpVersion: "1.1" });
  expect(head && replicableRequest(head)).toEqual({ host: "films.example:81", path: "/a?b=c" });
});

test.each([
  "GET /a HTTP/1.1\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
  "GET /a HTTP/1.1\nHost: a\n\n",
  "GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
  "GET /a HTTP/2.0\r\nHost: a\r\n\r\n",
  `GET /${"a".repeat(481)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  "GET /a HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: a\r\nIf-Range: x\r\n\r\n",
])("no replica is asked for %j", async (text) => {
  const head = await request(text);
  expect(head === undefined ? undefined : replicableRequest(head)).toBeUndefined();
});

test("whose end or answer is not plain ends the watch", async () => {
  for (const more of ["Content-Length: 0", "Transfer-Encoding: chunked", "Upgrade: h2c", "Expect: 100-continue", "Connection: x-y"]) {
    const head = await request(`GET /a HTTP/1.1\r\nHost: a\r\n${more}\r\n\r\n`);
    expect(head === undefined || !isBareGet(head)).toBe(true);
  }
});

test("a response with a strong validator, a length and ranges can come from replicas", async () => {
  const head = await response(GOOD);
  expect(head && replicableResponse(head, 5_000_000)).toEqual({ etag: '"a"', length: 5_000_000 });
  expect(head && replicableResponse(head, 5_000_001)).toBeUndefined();
});

test.each([
  ["two validators", `${GOOD}ETag: "b"\r\n`],
  ["a weak one", GOOD.replace('"a"', 'W/"a"')],
  ["two lengths", `${GOOD}Content-Length: 5000001\r\n`],
  ["any Vary", `${GOOD}Vary: Accept-Encoding\r\n`],
  ["a cookie", `${GOOD}Set-Cookie: a=b\r\n`],
  ["no-store", `${GOOD}Cache-Control: No-Store\r\n`],
  ["private with names", `${GOOD}Cache-Control: private="x"\r\n`],
  ["a coding", `${GOOD}Content-Encoding: gzip\r\n`],
])("not with %s", async (_name, more) => {
  const head = await response(more);
  expect(head === undefined ? undefined : replicableResponse(head, 1)).toBeUndefined();
});

test("what is no whole response has no head: 1xx, garbage, nothing", async () => {
  expect(await response("", "100 Continue")).toBeUndefined();
  expect(await parseResponseHead(bytes("HTTP/1.1 abc\r\n\r\n"), MAX_BYTES)).toBeUndefined();
  expect(await parseResponseHead(bytes(""), MAX_BYTES)).toBeUndefined();
  expect(await response("", "206 Partial Content")).toMatchObject({ status: 206 });
});

test("a head ends at its empty line however it is cut, and is bounded", () => {
  const text = "GET / HTTP/1.1\r\nA: \r\r\nB: c\r\n\r\nrest";
  const reader = new HeadReader(100);
  let end: ReturnType<HeadReader["take"]>;
  let at = 0;
  do end = reader.take(bytes(text.charAt(at++)));
  while (end === undefined);
  expect([end, text.slice(at)]).toEqual([1, "rest"]);
  expect(Buffer.from(reader.clear()).toString()).toBe(text.slice(0, at));
  expect(reader.take(bytes(text))).toBe(at);
  reader.clear();
  expect(reader.take(new Uint8Array(101))).toBe("too-long");
});

test("origins are read from HOST:PORT=URL", () => {
  expect(parseOriginRule("Films.Example:80=https://10.0.0.5")).toEqual({
    target: { host: "films.example", port: 80 },
    isTls: true,
    place: { host: "10.0.0.5", port: 443 },
  });
  expect(targetKey(parseOriginRule("[fd00::1]:8080=http://[::1]:81").target)).toBe("[fd00::1]:8080");
  for (const text of [
    "",
    "a=http://b",
    "a:80=ftp://b",
    "a:0=http://b",
    "a:80=http://b/c",
    "a:80=http://u:p@b",
    "*:80=http://b",
    "a:80=http://b?c",
  ])
    expect(() => parseOriginRule(text), text).toThrow(/is no origin/);
});

test("a content id names target, host and path, and nothing that is none is read as one", () => {
  const name = { target: "films.example:80", host: "films.example", path: "/a%20b?c" };
  expect(parseContentId(contentIdOf(name))).toEqual(name);
  for (const id of [
    "",
    "a/b",
    "films.example:80 h",
    "films.example:80 h path",
    "films.example:80 h /a b",
    "films.example:80 h\r\n /a",
    "films.example:80  /a",
  ])
    expect(parseContentId(id), JSON.stringify(id)).toBeUndefined();
});
