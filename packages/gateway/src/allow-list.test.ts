import { expect, test } from "vitest";
import { AllowList } from "./allow-list.ts";
import { parseTargetRule } from "./target-rule.ts";

const names: Readonly<Record<string, readonly string[]>> = {
  "example.org": ["93.184.216.34", "2606:2800:220:1::1"],
  "db.internal": ["10.1.2.3"],
  "rebound.example.org": ["169.254.169.254"],
  "mixed.example.org": ["127.0.0.1", "93.184.216.34"],
  localhost: ["127.0.0.1", "::1"],
  "own.example.org": ["93.184.216.99"],
};
const isOwn = (ip: string): boolean => ip === "93.184.216.99";

async function check(rules: readonly string[], host: string, port: number, protocol: "tcp" | "udp" = "tcp"): Promise<string> {
  const asked: string[] = [];
  const verdict = await new AllowList(rules, isOwn).check(protocol, { host, port }, async (name) => {
    asked.push(name);
    const found = names[name];
    if (found === undefined) throw new Error("no such name");
    return found;
  });
  return verdict.allowed ? verdict.ips.join(" ") : verdict.refusal;
}

test.each<[readonly string[], string, number, string]>([
  [[], "example.org", 80, "not-allowed"],
  [[], "93.184.216.34", 80, "not-allowed"],
  [["example.org:80"], "example.org", 80, "93.184.216.34 2606:2800:220:1::1"],
  [["example.org:80"], "EXAMPLE.org.", 80, "93.184.216.34 2606:2800:220:1::1"],
  [["example.org:80"], "example.org", 81, "not-allowed"],
  [["example.org:80-90"], "example.org", 90, "93.184.216.34 2606:2800:220:1::1"],
  [["example.org:80-90"], "example.org", 91, "not-allowed"],
  [["example.org:*"], "www.example.org", 80, "not-allowed"],
  [["*.example.org:*"], "nothing.example.org", 80, "name-not-found"],
  [["*.example.org:*"], "example.org", 80, "not-allowed"],
  // a name leads to no address that is not public, unless that is on the list too
  [["*.example.org:*"], "rebound.example.org", 80, "not-allowed"],
  [["*:*"], "rebound.example.org", 80, "not-allowed"],
  [["*.example.org:*"], "mixed.example.org", 80, "93.184.216.34"],
  [["db.internal:5432"], "db.internal", 5432, "not-allowed"],
  [["db.internal:5432", "10.0.0.0/8:5432"], "db.internal", 5432, "10.1.2.3"],
  [["db.internal:5432", "10.0.0.0/8:80"], "db.internal", 5432, "not-allowed"],
  [["10.0.0.0/8:5432"], "db.internal", 5432, "not-allowed"],
  [["localhost:80"], "localhost", 80, "127.0.0.1 ::1"],
  [["localhost:80"], "127.0.0.1", 80, "not-allowed"],
  // every name is not this very one
  [["*:80"], "localhost", 80, "not-allowed"],
  [["*:80"], "localhost.", 80, "not-allowed"],
  [["*:80", "localhost:81"], "localhost", 80, "not-allowed"],
  // this machine's own addresses are as private as loopback
  [["*:80"], "93.184.216.99", 80, "not-allowed"],
  [["*:80"], "::ffff:93.184.216.99", 80, "not-allowed"],
  [["*:80"], "own.example.org", 80, "not-allowed"],
  [["93.184.216.99:80", "*:80"], "own.example.org", 80, "93.184.216.99"],
  // addresses
  [["*:80"], "93.184.216.34", 80, "93.184.216.34"],
  [["*:80"], "10.0.0.1", 80, "not-allowed"],
  [["*:80"], "127.0.0.1", 80, "not-allowed"],
  [["*:80"], "::1", 80, "not-allowed"],
  [["0.0.0.0/0:80"], "93.184.216.34", 80, "93.184.216.34"],
  [["0.0.0.0/0:80"], "10.0.0.1", 80, "not-allowed"],
  [["10.0.0.0/8:80"], "10.0.0.1", 80, "10.0.0.1"],
  [["10.0.0.0/8:80"], "::ffff:10.0.0.1", 80, "10.0.0.1"],
  [["[::ffff:10.0.0.1]:80"], "10.0.0.1", 80, "10.0.0.1"],
  [["[fd00::0:7]:80"], "FD00:0::7", 80, "fd00::7"],
  [["*:80"], "::ffff:10.0.0.1", 80, "not-allowed"],
  [["*:80"], "64:ff9b::7f00:1", 80, "not-allowed"],
  [["[::1]:80"], "::1", 80, "::1"],
  [["[fd00::/8]:80"], "fd12::7", 80, "fd12::7"],
  [["[::/0]:80"], "fd12::7", 80, "not-allowed"],
  // metadata services, and what means this very host, only by the very address
  [["169.254.0.0/16:80"], "169.254.169.254", 80, "not-allowed"],
  [["169.254.169.254:80"], "169.254.169.254", 80, "169.254.169.254"],
  [["0.0.0.0/8:80"], "0.0.0.0", 80, "not-allowed"],
  // what some resolver takes for a number
  [["*:80"], "2130706433", 80, "not-allowed"],
  [["*:80"], "0x7f.1", 80, "not-allowed"],
  [["*:80"], "127.1", 80, "not-allowed"],
])("with %j, %s port %i is %s", async (rules, host, port, outcome) => {
  expect(await check(rules, host, port)).toBe(outcome);
});

test("TCP and UDP have lists of their own", async () => {
  expect(await check(["udp/1.1.1.1:53"], "1.1.1.1", 53, "udp")).toBe("1.1.1.1");
  expect(await check(["udp/1.1.1.1:53"], "1.1.1.1", 53)).toBe("not-allowed");
  expect(await check(["tcp/1.1.1.1:53"], "1.1.1.1", 53)).toBe("1.1.1.1");
});

test("a name that is not on the list is not resolved", async () => {
  const asked: string[] = [];
  const list = new AllowList(["example.org:80", "10.0.0.0/8:*"]);
  await list.check("tcp", { host: "secret.example.com", port: 80 }, async (name) => {
    asked.push(name);
    return ["10.0.0.1"];
  });
  expect(asked).toEqual([]);
});

test.each([
  "example.org",
  "example.org:0",
  "example.org:70000",
  "example.org:90-80",
  "10.0.0.0/33:80",
  "10.0.0.0/8/8:80",
  "a b:80",
  "example.org/8:80",
  "::1:80",
  "[x]:80",
  "*.:80",
  "12.34:80",
  "sctp/a:1",
  "",
])("%j is no rule", (text) => {
  expect(() => parseTargetRule(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
