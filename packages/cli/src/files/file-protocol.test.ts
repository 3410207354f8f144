import { expect, test } from "vitest";
import { encodeLine, parseAnswer, parseEntry, parseRequest } from "./file-protocol.ts";

function line(value: object): string {
  return new TextDecoder().decode(encodeLine(value)).trimEnd();
}

test("reads what it writes", () => {
  expect(parseRequest(line({ op: "get", path: "a", offset: 262144, version: "v" }))).toEqual({
    op: "get",
    path: "a",
    offset: 262144,
    version: "v",
  });
  expect(parseRequest(line({ op: "get", path: "a" }))).toEqual({ op: "get", path: "a", offset: 0, version: undefined });
  expect(parseRequest(line({ op: "hashes", path: "a", blocks: 3 }))).toEqual({ op: "hashes", path: "a", blocks: 3 });
  expect(parseRequest(line({ op: "ls", path: "" }))).toEqual({ op: "ls", path: "" });
  const found = { status: "ok", name: "a", version: "v", size: 5, offset: 0 };
  expect(parseAnswer(line(found))).toEqual(found);
  expect(parseAnswer(line({ status: "ok", list: true }))).toEqual({ status: "ok", list: true });
  const entry = { name: "a\nb", type: "file", size: 1, modifiedMs: 2 };
  expect(parseEntry(line(entry))).toEqual(entry);
});

test("an error of a newer server is still an error", () => {
  expect(parseAnswer(line({ status: "error", code: "on-fire", message: "m" }))).toEqual({ status: "error", code: "failed", message: "m" });
});

test("refuses what is not a request", () => {
  for (const text of ["", "[]", "1", "GET / HTTP/1.1", '{"op":"get","path":"a"}', '{"kwik-files":2,"op":"get","path":"a"}']) {
    expect(() => parseRequest(text), text).toThrow();
  }
  for (const value of [
    { op: "get" },
    { op: "rm", path: "a" },
    { op: "get", path: "a", offset: -1 },
    { op: "get", path: "a", offset: 0.5 },
    { op: "hashes", path: "a", blocks: "x" },
  ]) {
    expect(() => parseRequest(line(value)), JSON.stringify(value)).toThrow();
  }
});
