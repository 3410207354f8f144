import type { Transport } from "@kwik/core";
import { Gateway, Relay as ServedRelay } from "@kwik/gateway";
import { withRelays } from "@kwik/transport-relay";
import { tcpTransport } from "@kwik/transport-tcp";
import { dial, listen, type Listener } from "kwik";
import { afterAll } from "vitest";
import { startChildServer } from "./child-server.ts";
import { runLinkSuite } from "./run-link-suite.ts";
import { selfSigned } from "./tls-material.ts";

const tls = await selfSigned();
const listeners: Listener[] = [];
afterAll(() => Promise.all(listeners.map((listener) => listener.close())));

/** A transport that dials through a relay on the loopback, which is reached over `scheme`, and listens over TCP. */
async function through(scheme: string): Promise<Transport> {
  const listener = await listen(`${scheme}://127.0.0.1:0`, { tls: "self-signed" });
  listeners.push(listener);
  const gateway = new Gateway({ relay: new ServedRelay({ homes: ["127.0.0.1:*"] }) });
  void (async () => {
    for await (const session of listener) void gateway.serve(session, { name: "client", source: undefined });
  })();
  const transport = withRelays(tcpTransport(), dial);
  const [relay] = transport.relaysOf?.({ relays: [`${listener.url}#${listener.identity}`] }) ?? [];
  return {
    name: "relay",
    listen: (request) => transport.listen(request),
    dial: (request) => transport.dial({ ...request, address: { ...request.address, relay } }),
  };
}

// spec: LINK-1, RELAY-2
for (const scheme of ["kwik+quic", "kwik+tcp"]) {
  const transport = await through(scheme);
  runLinkSuite(`a relay that is reached by ${scheme}`, () => ({
    transport,
    capabilities: new Set(["datagrams", "abrupt-death"]),
    tls,
    address: { host: "127.0.0.1", port: 0 },
    deadAddress: { host: "127.0.0.1", port: 9 },
    startMortalServer: () => startChildServer("./echo-server.ts", tls, "tcp"),
  }));
}
