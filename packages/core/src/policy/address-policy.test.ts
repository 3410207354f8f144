import fc from "fast-check";
import { expect, test } from "vitest";
import { classOf } from "./address-class.ts";
import { type AddressPolicy, checkAddress, checkResolved, isPrivateHost } from "./address-policy.ts";
import { type IpBytes, parseIp } from "./ip-address.ts";

const fromPublic: AddressPolicy = { primaryIsPrivate: false };
const fromPrivate: AddressPolicy = { primaryIsPrivate: true };

const classes: readonly (readonly [string, string])[] = [
  ["8.8.8.8", "public"],
  ["1.1.1.1", "public"],
  ["9.255.255.255", "public"],
  ["10.0.0.0", "private"],
  ["10.255.255.255", "private"],
  ["11.0.0.0", "public"],
  ["100.63.255.255", "public"],
  ["100.64.0.1", "private"],
  ["100.100.100.200", "metadata"],
  ["100.127.255.255", "private"],
  ["100.128.0.0", "public"],
  ["126.255.255.255", "public"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["128.0.0.0", "public"],
  ["168.63.129.16", "metadata"],
  ["169.253.255.255", "public"],
  ["169.254.0.1", "link-local"],
  ["169.254.0.23", "metadata"],
  ["169.254.42.42", "metadata"],
  ["169.254.169.254", "metadata"],
  ["169.254.170.2", "metadata"],
  ["169.254.171.0", "link-local"],
  ["172.15.255.255", "public"],
  ["172.16.0.0", "private"],
  ["172.31.255.255", "private"],
  ["172.32.0.0", "public"],
  ["192.0.0.1", "reserved"],
  ["192.0.0.192", "metadata"],
  ["192.0.2.1", "reserved"],
  ["192.88.99.1", "reserved"],
  ["192.167.255.255", "public"],
  ["192.168.0.1", "private"],
  ["192.169.0.0", "public"],
  ["198.17.255.255", "public"],
  ["198.18.0.1", "reserved"],
  ["198.19.255.255", "reserved"],
  ["198.51.100.7", "reserved"],
  ["203.0.113.7", "reserved"],
  ["223.255.255.255", "public"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.250", "multicast"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.254", "reserved"],
  ["255.255.255.255", "broadcast"],
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "reserved"],
  // what a resolver makes of odd forms
  ["2130706433", "loopback"],
  ["0x7f000001", "loopback"],
  ["0x7f.1", "loopback"],
  ["0177.0.0.1", "loopback"],
  ["017700000001", "loopback"],
  ["127.1", "loopback"],
  ["127.0.1", "loopback"],
  ["010.8.8.8", "public"],
  ["0xa9fea9fe", "metadata"],
  ["2852039166", "metadata"],
  ["169.254.43518", "metadata"],
  ["0", "unspecified"],
  ["0x", "unspecified"],
  ["4294967295", "broadcast"],
  // IPv6
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["0:0:0:0:0:0:0:1", "loopback"],
  ["2606:4700::1111", "public"],
  ["2a00:1450:4001::200e", "public"],
  ["fc00::1", "private"],
  ["fdff:ffff::1", "private"],
  ["fe00::1", "reserved"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "link-local"],
  ["fe80::a9fe:a9fe%eth0", "metadata"],
  ["fd00:42::42", "metadata"],
  ["febf::1", "link-local"],
  ["fec0::1", "private"],
  ["fd00:ec2::254", "metadata"],
  ["fd20:ce::254", "metadata"],
  ["ff02::1", "multicast"],
  ["2001:db8::1", "reserved"],
  ["3fff::1", "reserved"],
  ["100::1", "reserved"],
  ["4000::1", "reserved"],
  ["2001::1", "reserved"],
  ["2001:200::1", "public"],
  // IPv6 that carries IPv4
  ["::ffff:8.8.8.8", "public"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:7f00:1", "loopback"],
  ["::ffff:a9fe:a9fe", "metadata"],
  ["::ffff:0:10.0.0.1", "private"],
  ["::10.0.0.1", "private"],
  ["::0.0.0.2", "reserved"],
  ["64:ff9b::8.8.8.8", "public"],
  ["64:ff9b::169.254.169.254", "metadata"],
  ["64:ff9b::c0a8:1", "private"],
  ["64:ff9b:1::8.8.8.8", "private"],
  ["64:ff9b:1::169.254.169.254", "metadata"],
  ["2002:7f00:1::", "loopback"],
  ["2002:808:808::1", "public"],
  ["2002:a9fe:a9fe::1", "metadata"],
  ["2606:4700::5efe:192.168.0.1", "private"],
  ["2606:4700::200:5efe:8.8.8.8", "public"],
];

test.each(classes)("%s is %s", (text, expected) => {
  const ip = parseIp(text);
  expect(ip && classOf(ip)).toBe(expected);
});

test.each([
  "",
  "example.org",
  "1.2.3.4.5",
  "256.1.1.1",
  "1.256.1",
  "4294967296",
  "0x100000000",
  "08.1.1.1",
  "1..2",
  "1.2.3.",
  "-1",
  "1e3",
  " 127.0.0.1",
  "1.2.3.4/8",
  ":",
  ":::",
  "1::2::3",
  "12345::",
  "::g",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "::1.2.3",
  "::1.2.3.4:5",
  "::256.1.1.1",
  "1.2.3.4::",
  "::1%",
  "1:2:3:4:5:6:7:8::",
  "[::1",
])("%j is no IP address", (text) => {
  expect(parseIp(text)).toBeUndefined();
});

const verdicts: readonly (readonly [string, "allowed" | "resolve" | "private only" | "never"])[] = [
  ["8.8.8.8:4433", "allowed"],
  ["kwik://8.8.8.8:443", "allowed"],
  ["8.8.8.8", "allowed"],
  ["[2606:4700::1111]:4433", "allowed"],
  ["cdn.example.org:4433", "resolve"],
  ["CDN.Example.ORG.:4433", "resolve"],
  ["intranet:4433", "resolve"],
  ["xn--bcher-kva.example:4433", "resolve"],
  ["_kwik.example.org:4433", "resolve"],
  ["127.0.0.1:4433", "private only"],
  ["127.0.0.1.:4433", "private only"],
  ["2130706433:4433", "private only"],
  ["0x7f.1:4433", "private only"],
  ["10.0.0.7:4433", "private only"],
  ["169.254.1.1:4433", "private only"],
  ["192.0.2.1:4433", "private only"],
  ["[::1]:4433", "private only"],
  ["[fe80::1%eth0]:4433", "never"], // the port's grammar has no names of interfaces
  ["[::ffff:10.0.0.1]:4433", "private only"],
  ["[64:ff9b::10.0.0.1]:4433", "private only"],
  ["localhost:4433", "private only"],
  ["LOCALHOST.:4433", "private only"],
  ["a.localhost:4433", "private only"],
  ["printer.local:4433", "private only"],
  ["db.internal:4433", "private only"],
  ["internal:4433", "private only"],
  ["router.home.arpa:4433", "private only"],
  ["localhost.localdomain:4433", "private only"],
  ["notlocalhost:4433", "resolve"],
  ["169.254.169.254:4433", "never"],
  ["0xa9fea9fe:4433", "never"],
  ["[fd00:ec2::254]:4433", "never"],
  ["[::ffff:169.254.169.254]:4433", "never"],
  ["metadata.google.internal:4433", "never"],
  ["Metadata.Google.Internal.:4433", "never"],
  ["metadata:4433", "never"],
  ["224.0.0.1:4433", "never"],
  ["255.255.255.255:4433", "never"],
  ["0.0.0.0:4433", "never"],
  ["0:4433", "never"],
  ["[::]:4433", "never"],
  ["[ff02::1]:4433", "never"],
  ["8.8.8.8:0", "never"],
  ["8.8.8.8:53", "never"],
  ["8.8.8.8:123", "never"],
  ["8.8.8.8:65536", "never"],
  ["8.8.8.8:99999", "never"],
  ["https://8.8.8.8:443", "never"],
  ["user@example.org:4433", "never"],
  ["1.2.3.4.5:4433", "never"],
  ["example.0x7f:4433", "never"],
  ["example.123:4433", "never"],
  ["\uff11\uff12\uff17.0.0.1:4433", "never"],
  ["\u2460.example:4433", "never"],
  ["ex ample.org:4433", "never"],
  ["example..org:4433", "never"],
  ["-example.org:4433", "never"],
  ["%31%32%37.0.0.1:4433", "never"],
  [`${"a".repeat(64)}.example:4433`, "never"],
  [`${"a.".repeat(150)}example:4433`, "never"],
  ["", "never"],
  [":4433", "never"],
  ["\0:4433", "never"],
];

test.each(verdicts)("an advertised %j is %s", (address, expected) => {
  const outcome = (policy: AddressPolicy): string => {
    const verdict = checkAddress(address, policy);
    return verdict.allowed ? (verdict.mustResolve ? "resolve" : "allowed") : "refused";
  };
  const whenPublic = outcome(fromPublic);
  const whenPrivate = outcome(fromPrivate);
  if (expected === "never")
    expect([whenPublic, whenPrivate, outcome({ ...fromPublic, allowPrivateAddresses: true })]).toEqual(["refused", "refused", "refused"]);
  else if (expected === "private only") expect([whenPublic, whenPrivate === "refused"]).toEqual(["refused", false]);
  else expect([whenPublic, whenPrivate]).toEqual([expected, expected]);
});

test("the application's word on private addresses goes before what the primary's address suggests", () => {
  expect(checkAddress("10.0.0.1:4433", { primaryIsPrivate: true, allowPrivateAddresses: false })).toMatchObject({ allowed: false });
  expect(checkAddress("10.0.0.1:4433", { primaryIsPrivate: false, allowPrivateAddresses: true })).toMatchObject({ allowed: true });
});

test("the application's own rule is asked last, with host and port, and its failure refuses", () => {
  const asked: string[] = [];
  const allow = (address: string): boolean => {
    asked.push(address);
    return address.startsWith("8.8.");
  };
  expect(checkAddress("8.8.8.8", { ...fromPublic, allow })).toEqual({ allowed: true, mustResolve: false });
  expect(checkAddress("kwik://[2606::1]:99", { ...fromPublic, allow })).toMatchObject({
    allowed: false,
    reason: expect.stringContaining("application"),
  });
  expect(checkAddress("10.0.0.1:4433", { ...fromPublic, allow })).toMatchObject({ allowed: false });
  expect(asked).toEqual(["8.8.8.8:4433", "[2606::1]:99"]);
  const failing = (): boolean => {
    throw new Error("no");
  };
  expect(checkAddress("8.8.8.8", { ...fromPublic, allow: failing })).toMatchObject({ allowed: false });
});

test("a name is as good as the worst address behind it", () => {
  expect(checkResolved(["8.8.8.8", "2606:4700::1111"], fromPublic)).toEqual({ allowed: true, mustResolve: false });
  expect(checkResolved(["8.8.8.8", "127.0.0.1"], fromPublic)).toMatchObject({
    allowed: false,
    reason: expect.stringContaining("loopback"),
  });
  expect(checkResolved(["8.8.8.8", "127.0.0.1"], fromPrivate)).toMatchObject({ allowed: true });
  expect(checkResolved(["8.8.8.8", "169.254.169.254"], fromPrivate)).toMatchObject({ allowed: false });
  expect(checkResolved(["example.org"], fromPublic)).toMatchObject({ allowed: false });
  expect(checkResolved([], fromPublic)).toMatchObject({ allowed: false });
});

test("a primary counts as private by its address, or by its name", () => {
  for (const host of ["127.0.0.1", "10.1.1.1", "::1", "fe80::1", "fd12::1", "[::1]", "localhost", "x.Localhost", "nas.local"])
    expect(isPrivateHost(host), host).toBe(true);
  for (const host of ["8.8.8.8", "2606::1", "example.org", "192.0.2.1", "0.0.0.0"]) expect(isPrivateHost(host), host).toBe(false);
});

test("no text makes the check throw, and every refusal has a reason", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.ipV4Extended(), fc.ipV6(), fc.webAuthority(), fc.domain());
  fc.assert(
    fc.property(text, fc.nat(70_000), (host, port) => {
      for (const address of [host, `${host}:${port}`, `[${host}]:${port}`]) {
        const verdict = checkAddress(address, fromPublic);
        if (!verdict.allowed) expect(verdict.reason.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 2000 },
  );
});

test("an IPv4 address means the same in every notation and in every IPv6 address that carries it", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), (value) => {
      const bytes = [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
      const dotted = bytes.join(".");
      const expected = Uint8Array.from(bytes);
      const [a, b, c, d] = bytes;
      const notations = [
        dotted,
        String(value),
        `0x${value.toString(16)}`,
        `0${value.toString(8)}`,
        `${a}.${value % 2 ** 24}`,
        `${a}.0x${b?.toString(16)}.${((c ?? 0) << 8) | (d ?? 0)}`,
      ];
      for (const notation of notations) expect(parseIp(notation), notation).toEqual(expected);
      const own = classOf(expected);
      for (const carrier of [
        `::ffff:${dotted}`,
        `64:ff9b::${dotted}`,
        `2002:${((value >>> 16) & 0xffff).toString(16)}:${(value & 0xffff).toString(16)}::1`,
      ]) {
        expect(classOf(parseIp(carrier) as IpBytes), carrier).toBe(own);
      }
    }),
    { numRuns: 500 },
  );
});

// spec: RELAY-11
test("the name of a relayed path is no address that a server may ask for", () => {
  for (const text of ["192.0.2.1:4433 via relay.example:4433", "a.example:4433 via 10.0.0.1:4433", "a.example via b.example"]) {
    expect(checkAddress(text, { ...fromPrivate, allowPrivateAddresses: true })).toMatchObject({ allowed: false });
  }
});
