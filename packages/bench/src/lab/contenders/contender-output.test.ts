import { expect, test } from "vitest";
import type { Cell } from "../cells/cell.ts";
import { faultCells } from "../cells/fault-cells.ts";
import { barCells } from "../cells/bar-cells.ts";
import { profileCells } from "../cells/profile-cells.ts";
import { secondsOfTimes } from "./aria2-contender.ts";
import { contendersOf } from "./contender.ts";
import { parsePing } from "./line-probe.ts";
import { mptcpJoins } from "./node-contenders.ts";

test("reads the children's processor time from bash's times", () => {
  expect(secondsOfTimes("0m0.001s 0m0.002s\n1m0.500s 0m0.250s\n")).toBeCloseTo(60.75);
});

test("reads the round trips of ping", () => {
  const ping = "64 bytes from 10.78.1.1: icmp_seq=1 ttl=64 time=20.1 ms\nnoise\n… time=25 ms\n… time=21.4 ms\n";
  expect(parsePing(ping)).toEqual({ worstMs: 25, usualMs: 21.4 });
  expect(parsePing("")).toEqual({ worstMs: 0, usualMs: 0 });
});

test("reads how many subflows joined", () => {
  expect(mptcpJoins("#kernel\nMPTcpExtMPJoinSynAckRx          3                  0.0\n")).toBe(3);
  expect(mptcpJoins("")).toBe(0);
});

test("lets everybody into a cell without faults, and only those who can survive it into one with a killed server", () => {
  const names = (cell: Cell | undefined, wanted?: string[]): string[] =>
    cell === undefined ? [] : contendersOf(cell, wanted).map(({ name }) => name);
  const [[profile], [killed]] = [profileCells, faultCells];
  expect(names(profile)).toEqual(["engine-1", "engine-2", "tcp", "mptcp", "kwik-home", "aria2", "kwik-servers"]);
  expect(names(profile, ["kwik"])).toEqual(["kwik-home", "kwik-servers"]);
  expect(names(killed)).toEqual(["aria2", "kwik-servers"]);
  const shared = barCells.find(({ sharedServers }) => sharedServers !== undefined);
  expect(names(shared)).toEqual(["tcp-beside-tcp-cubic", "kwik-servers-cubic", "tcp-beside-tcp-bbr", "kwik-servers-bbr"]);
  expect(names(shared, ["kwik"])).toEqual(shared?.bars[0]?.contenders);
});
