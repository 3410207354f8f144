import { expect, test } from "vitest";
import { webRules } from "./web-rules.ts";

test("pages of the host that was asked for may connect, whatever their port and scheme", () => {
  const { path, allowsOrigin } = webRules();
  expect(path).toBe("/kwik");
  expect(allowsOrigin("https://App.example:8443", "app.example:4433")).toBe(true);
  expect(allowsOrigin("http://localhost:8080", "localhost:4433")).toBe(true);
  expect(allowsOrigin("http://[::1]:8080", "[::1]:4433")).toBe(true);
});

test("pages of another host, of none, and requests without one may not", () => {
  const { allowsOrigin } = webRules({ path: "/elsewhere" });
  expect(allowsOrigin("https://app.example.evil.example", "app.example")).toBe(false);
  expect(allowsOrigin("http://localhost:8080", "127.0.0.1:4433")).toBe(false);
  expect(allowsOrigin("null", "app.example")).toBe(false);
  expect(allowsOrigin("https://app.example", undefined)).toBe(false);
});

test("with allowOrigin it alone decides, as a method of its options", () => {
  const options = {
    good: "https://good.example",
    allowOrigin(origin: string): boolean {
      return origin === this.good;
    },
  };
  const { allowsOrigin } = webRules(options);
  expect(allowsOrigin("https://good.example", "app.example")).toBe(true);
  expect(allowsOrigin("https://app.example", "app.example")).toBe(false);
});

test("an allowOrigin that throws, or gives no plain yes, refuses", () => {
  const throwing = webRules({ allowOrigin: (origin) => new URL(origin).hostname.endsWith(".example") });
  expect(throwing.allowsOrigin("https://good.example", undefined)).toBe(true);
  expect(throwing.allowsOrigin("null", undefined)).toBe(false);
  for (const answer of [Promise.resolve(true), "yes", undefined]) {
    const { allowsOrigin } = webRules({ allowOrigin: () => answer as unknown as boolean });
    expect(allowsOrigin("https://app.example", "app.example")).toBe(false);
  }
});

test("paths that would not arrive as they are written are INVALID_ARGUMENT", () => {
  for (const path of ["", "kwik", "/a?b", "/a#b", "/ü", "/a b", "/a/../b", "/a\r\nX: y"]) {
    expect(() => webRules({ path }), path).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  expect(webRules({ path: "/" }).path).toBe("/");
});
