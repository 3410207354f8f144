import { expect, test } from "vitest";
import { parseBind, parseForward } from "./forward.ts";
import { endToEndHeaders } from "./hop-headers.ts";
import { Users } from "./users.ts";

test.each([
  ["8080:example.org:80", { bind: { host: "127.0.0.1", port: 8080 }, target: { kind: "tcp", host: "example.org", port: 80 } }],
  ["0:example.org:80", { bind: { host: "127.0.0.1", port: 0 }, target: { kind: "tcp", host: "example.org", port: 80 } }],
  ["0.0.0.0:8080:10.0.0.1:80", { bind: { host: "0.0.0.0", port: 8080 }, target: { kind: "tcp", host: "10.0.0.1", port: 80 } }],
  ["[::1]:8080:[fd00::7]:80", { bind: { host: "::1", port: 8080 }, target: { kind: "tcp", host: "fd00::7", port: 80 } }],
  ["*:8080:a:80", { bind: { host: "::", port: 8080 }, target: { kind: "tcp", host: "a", port: 80 } }],
  [":8080:a:80", { bind: { host: "::", port: 8080 }, target: { kind: "tcp", host: "a", port: 80 } }],
  ["/run/a.sock:db:5432", { bind: { path: "/run/a.sock" }, target: { kind: "tcp", host: "db", port: 5432 } }],
  ["./a.sock:unix:app", { bind: { path: "./a.sock" }, target: { kind: "unix", name: "app" } }],
  ["5000:unix:app", { bind: { host: "127.0.0.1", port: 5000 }, target: { kind: "unix", name: "app" } }],
])("-L %s", (text, forward) => {
  expect(parseForward(text)).toEqual(forward);
});

test.each(["", "8080", "8080:example.org", "8080:example.org:0", "70000:a:80", "8080::80", "a:b:c:d", "1:2:3:4:5", "8080:fd00::7:80"])(
  "-L %j is refused",
  (text) => {
    expect(() => parseForward(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  },
);

test("a place to listen is a port, a host and a port, or a path", () => {
  expect(["1080", "0.0.0.0:1080", "[::1]:0", "/run/s"].map(parseBind)).toEqual([
    { host: "127.0.0.1", port: 1080 },
    { host: "0.0.0.0", port: 1080 },
    { host: "::1", port: 0 },
    { path: "/run/s" },
  ]);
  for (const text of ["", "x", "1:2:3", "host:", "70000"])
    expect(() => parseBind(text), text).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("headers of one hop, and those that Connection names, are not passed on", () => {
  const raw = [
    "Host",
    "a",
    "Connection",
    "close, X-Mine",
    "X-Mine",
    "1",
    "TE",
    "x",
    "Proxy-Authorization",
    "Basic x",
    "X-Two",
    "1",
    "x-two",
    "2",
  ];
  expect(endToEndHeaders(raw, ["host"])).toEqual(["X-Two", "1", "x-two", "2"]);
});

test("users are known by name and password; without any everybody is", () => {
  const users = new Users(["a:b:c", "d:"]);
  expect([users.knows("a", "b:c"), users.knows("a", "b"), users.knows("d", ""), users.knows("", "")]).toEqual([true, false, true, false]);
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
  expect([basic("a:b:c"), basic("a:x"), "Bearer a", undefined].map((header) => users.allowsHeader(header))).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(new Users([]).allowsHeader(undefined)).toBe(true);
  expect(() => new Users(["nobody"])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
