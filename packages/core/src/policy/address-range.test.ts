import { expect, test } from "vitest";
import { prefixOf } from "./address-prefix.ts";
import { AddressRange } from "./address-range.ts";

test("a prefix is 24 bits of IPv4, 64 of IPv6, whatever the notation", () => {
  for (const text of ["192.0.2.7:4433", "192.0.2.255:1", "[::ffff:192.0.2.9]:4433", "::ffff:c000:0201", "192.0.2.1"])
    expect(prefixOf(text), text).toBe("192.0.2.0/24");
  for (const text of ["[2001:db8:1:2::1]:4433", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:1", "2001:db8:1:2::", "[2001:db8:1:2::1%eth0]:9"])
    expect(prefixOf(text), text).toBe("2001:db8:1:2::/64");
  expect(prefixOf("[2001:db8:1:3::1]:4433")).not.toBe(prefixOf("[2001:db8:1:2::1]:4433"));
  expect(prefixOf("client:7")).toBe("client");
  expect(prefixOf("somebody")).toBe("somebody");
});

test("a range contains its addresses, and no others", () => {
  const cases: [string, string[], string[]][] = [
    ["10.0.0.0/8", ["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "9.255.255.255", "a.example", ""]],
    ["192.168.4.0/23", ["192.168.4.1", "192.168.5.255"], ["192.168.6.0", "192.168.3.255"]],
    ["127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]],
    ["0.0.0.0/0", ["8.8.8.8"], ["::1"]],
    ["fd00::/8", ["fd12::1", "fdff::"], ["fe80::1", "253.0.0.1"]],
    ["::ffff:10.0.0.7", ["10.0.0.7"], ["10.0.0.8"]],
  ];
  for (const [text, inside, outside] of cases) {
    const range = AddressRange.parse(text);
    for (const host of inside) expect(range.contains(host), `${host} in ${text}`).toBe(true);
    for (const host of outside) expect(range.contains(host), `${host} in ${text}`).toBe(false);
  }
});

test("what is no range is the caller's fault", () => {
  for (const text of ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "10.0.0.0/-1", "a.example/8"])
    expect(() => AddressRange.parse(text), text).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("a range of IPv4 in IPv6's notation is that of IPv4; one that is wider than that is none", () => {
  const range = AddressRange.parse("::ffff:10.0.0.0/104");
  expect(["10.0.0.0", "10.9.8.7", "::ffff:10.1.2.3", "11.0.0.0"].map((host) => range.contains(host))).toEqual([true, true, true, false]);
  expect(AddressRange.parse("::ffff:10.0.0.0/128").contains("10.0.0.1")).toBe(false);
  expect(() => AddressRange.parse("::ffff:10.0.0.0/90")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
