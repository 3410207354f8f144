import { expect, test } from "vitest";
import { parseTarget } from "./target.ts";

test("splits an address into server and path", () => {
  expect(parseTarget("kwik://a.example:5000/dir/a%20b.bin")).toEqual({
    server: "kwik://a.example:5000",
    address: "a.example:5000",
    path: "dir/a b.bin",
  });
  expect(parseTarget("kwik://[::1]:7/x").address).toBe("[::1]:7");
  expect(parseTarget("kwik://a.example").address).toBe("a.example:4433");
  expect(parseTarget("kwik://a.example/").path).toBe("");
});

test("keeps dots and stray percent signs, for the server to judge", () => {
  expect(parseTarget("kwik://a:1/../etc/passwd").path).toBe("../etc/passwd");
  expect(parseTarget("kwik://a:1/100%").path).toBe("100%");
});

test("refuses other schemes and nonsense", () => {
  for (const text of ["", "http://a:1/x", "kwik://", "kwik://a:99999/x", "kwik://a b:1/"])
    expect(() => parseTarget(text)).toThrow(/is not an address/);
});
