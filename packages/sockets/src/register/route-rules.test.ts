import { expect, test } from "vitest";
import { parseRouteRules, RouteTable } from "./route-rules.ts";

test("the first rule that fits counts; hosts are names, addresses, *.name and *", () => {
  const table = new RouteTable(
    parseRouteRules(
      "db.example:5432=kwik://a:1, *.shop.example:*=kwik+tcp://b:2,[2001:db8::1]:80=kwik://c:3,10.0.0.7:6379=kwik://[::1]:4,*:443=kwik://e",
    ),
  );
  for (const [host, port, gateway] of [
    ["db.example", 5432, "kwik://a:1"],
    ["DB.Example.", 5432, "kwik://a:1"],
    ["db.example", 5433, undefined],
    ["www.shop.example", 8080, "kwik+tcp://b:2"],
    ["a.b.shop.example", 443, "kwik+tcp://b:2"],
    ["shop.example", 80, undefined],
    ["workshop.example", 80, undefined],
    ["2001:db8::1", 80, "kwik://c:3"],
    ["10.0.0.7", 6379, "kwik://[::1]:4"],
    ["anything", 443, "kwik://e"],
  ] as const) {
    expect(table.find(host, port), `${host}:${port}`).toEqual(gateway === undefined ? undefined : [gateway]);
  }
});

test("a gateway itself is reached directly, whatever the rules say", () => {
  const table = new RouteTable(parseRouteRules("*:*=kwik://gw.example:4433 | kwik+tcp://[fd00::1]:443"));
  expect(table.find("gw.example", 4433)).toBeUndefined();
  expect(table.find("fd00::1", 443)).toBeUndefined();
  expect(table.find("gw.example", 80)).toEqual(["kwik://gw.example:4433", "kwik+tcp://[fd00::1]:443"]);
});

test("rules that make no sense are refused by name, with what to write", () => {
  expect(parseRouteRules("")).toEqual([]);
  expect(parseRouteRules(" , ")).toEqual([]);
  for (const [text, words] of [
    ["db:5432", /"db:5432": write host:port=kwik:/],
    ["db=kwik://a:1", /write host:port=/],
    [":80=kwik://a:1", /write host:port=/],
    ["db:0=kwik://a:1", /0 is no port/],
    ["db:70000=kwik://a:1", /70000 is no port/],
    ["db:80=http://a:1", /does not begin with kwik:/],
    ["db:80=kwik://a:99999", /not a server address/],
    ["d*b:80=kwik://a:1", /"d\*b" is no host/],
    ["[db]:80=kwik://a:1", /"db" is no host/],
    ["ok:80=kwik://a:1,bad", /"bad"/],
    ["db:80=kwik://a:1|b:2", /"b:2" does not begin with kwik:/],
  ] as const) {
    expect(() => parseRouteRules(text), text).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(words) }),
    );
  }
});
