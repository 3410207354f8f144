import type { Transport } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import type { QuicTransportOptions } from "@kwik/transport-quic";
import { trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { afterEach, expect, test } from "vitest";
import { LinkPeers } from "./link-peers.ts";
import { selfSigned } from "./tls-material.ts";
import type { TrustOptions } from "./trust-case.ts";
import { runTrustSuite } from "./trust-suite.ts";

const transport = (options: QuicTransportOptions = {}): Transport =>
  quicTransport({ resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder, ...options });

runTrustSuite({
  name: "QUIC",
  abilities: new Set(),
  makeTransport: ({ clientCa }: TrustOptions = {}) => transport(clientCa === undefined ? {} : { clientCa }),
});

// What follows is of this transport alone: it learns a server's key by a query.

const mine = await selfSigned();
const other = await selfSigned();
const peers = new LinkPeers(transport);
afterEach(() => peers.close());

test("a kept anchor does not outlive the server's certificate", async () => {
  const oneTransport = transport();
  const first = await peers.serve(mine);
  await peers.dial({ port: first.port, identity: mine.identity }, oneTransport);
  await first.listener.close();
  await peers.serve(other, {}, { port: first.port });
  expect(await peers.failure({ port: first.port, identity: mine.identity }, oneTransport)).toMatch(/^NOT_TRUSTED/);
});

test("without resolvers pins and IP addresses are NOT_SUPPORTED", async () => {
  const server = await peers.serve(mine);
  expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
  expect(await peers.failure({ port: server.port, trust: { ca: mine.cert } }, quicTransport())).toMatch(/^NOT_SUPPORTED/);
});
