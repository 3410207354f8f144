import { isQuicAvailable, quicTransport } from "@kwik/transport-quic";
import { expect, test } from "vitest";
import { startChildServer } from "./child-server.ts";
import { runLinkSuite } from "./run-link-suite.ts";
import { selfSigned } from "./tls-material.ts";

const tls = await selfSigned();

test("the engine loads on this machine", () => {
  expect(isQuicAvailable()).toEqual({ ok: true });
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
