import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { leadsTo } from "./own-address.ts";

test("a server that listens everywhere is reached at the loopback and at each address of the machine", () => {
  for (const host of ["0.0.0.0", "::"]) {
    for (const ip of ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"]) {
      expect(leadsTo({ host, port: 4433 }, ip, 4433), `${ip} of ${host}`).toBe(true);
      expect(leadsTo({ host, port: 4433 }, ip, 4434)).toBe(false);
    }
    for (const { address } of Object.values(networkInterfaces()).flatMap((entries) => entries ?? []))
      expect(leadsTo({ host, port: 4433 }, address, 4433)).toBe(true);
    expect(leadsTo({ host, port: 4433 }, "192.0.2.1", 4433)).toBe(false);
  }
});

test("one that listens at one address is reached there only", () => {
  expect(leadsTo({ host: "127.0.0.1", port: 4433 }, "127.0.0.1", 4433)).toBe(true);
  expect(leadsTo({ host: "127.0.0.1", port: 4433 }, "::ffff:127.0.0.1", 4433)).toBe(true);
  expect(leadsTo({ host: "127.0.0.1", port: 4433 }, "127.0.0.2", 4433)).toBe(false);
  expect(leadsTo({ host: "::1", port: 4433 }, "127.0.0.1", 4433)).toBe(false);
});
