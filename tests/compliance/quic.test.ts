import { parseAddress } from "@kwik/core";
import { isQuicAvailable, quicTransport } from "@kwik/transport-quic";
import { expect, test } from "vitest";
import { startChildServer } from "./child-server.ts";
import { runLinkSuite } from "./run-link-suite.ts";
import { selfSigned } from "./tls-material.ts";

const tls = await selfSigned();

test("the engine loads on this machine", () => {
  expect(isQuicAvailable()).toEqual({ ok: true });
});

test("addresses that cannot be listened on are IO, each with its reason in words", async () => {
  const listen = (host: string, port: number) => quicTransport().listen({ address: { host, port }, tls, onLink: () => undefined });
  const listener = await listen("127.0.0.1", 0);
  try {
    await expect(listen("127.0.0.1", parseAddress(listener.address).port)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("the address is already in use"),
    });
    await expect(listen("192.0.2.1", 0)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("this machine has no such address"),
    });
  } finally {
    await listener.close();
  }
});

// spec: LINK-1
runLinkSuite("QUIC", () => ({
  transport: quicTransport(),
  capabilities: new Set(["datagrams", "abrupt-death", "independent-carriers", "owned-buffers"]),
  tls,
  address: { host: "127.0.0.1", port: 0 },
  deadAddress: { host: "127.0.0.1", port: 9 },
  startMortalServer: () => startChildServer("./echo-server.ts", tls),
}));
