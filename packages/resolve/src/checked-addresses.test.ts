import { expect, test, vi } from "vitest";

vi.mock("./resolve-host.ts", () => ({ resolveHost: async () => Array.from({ length: 50 }, (_, index) => `192.0.2.${index}`) }));

const { resolveServer } = await import("./resolve-server.ts");

test("of a name that somebody else gave, all addresses are checked and four dialled; of one's own, all", async () => {
  const shown: string[] = [];
  const address = { host: "many.example", port: 4433 };
  const checked = await resolveServer({
    address,
    checkResolved: (ips) => {
      shown.push(...ips);
      return undefined;
    },
  });
  expect([shown.length, checked.map(({ host }) => host)]).toEqual([50, ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]]);
  expect(await resolveServer({ address })).toHaveLength(50);
});
