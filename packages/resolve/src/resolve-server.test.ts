import { expect, test } from "vitest";
import { resolveServer } from "./resolve-server.ts";

test("a name is resolved, shown to the check, and exactly what was shown comes back", async () => {
  const shown: string[] = [];
  const addresses = await resolveServer({
    address: { host: "localhost", port: 4433 },
    checkResolved: (ips) => {
      shown.push(...ips);
      return undefined;
    },
  });
  expect(shown.length).toBeGreaterThan(0);
  expect(addresses).toEqual(shown.map((host) => ({ host, port: 4433 })));
});

test("a name whose addresses are refused is ADDRESS_REFUSED, with the reason", async () => {
  const refused = resolveServer({ address: { host: "localhost", port: 1 }, checkResolved: () => "it is private" });
  await expect(refused).rejects.toMatchObject({ code: "ADDRESS_REFUSED", message: "localhost:1 is refused: it is private" });
});

test("where the host is known to be it is dialled, and its name is not asked for", async () => {
  const address = { host: "no-such-name.invalid", port: 4433 };
  expect(await resolveServer({ address, ip: "192.0.2.7" })).toEqual([{ host: "192.0.2.7", port: 4433 }]);
});

test("an IP address is not a name that somebody else resolved: it is not checked again", async () => {
  for (const host of ["127.0.0.1", "::1", "fe80::1%lo"]) {
    expect(await resolveServer({ address: { host, port: 1 }, checkResolved: () => "no" })).toEqual([{ host, port: 1 }]);
  }
});
