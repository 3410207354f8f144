// A server in a process of its own that sends back whatever comes. Run with cert, key, host and the name of the transport in the environment.
import { parseAddress } from "@kwik/core";
import type { Transport } from "@kwik/core";
import type { ChildTransport } from "./child-server.ts";

/** Each loads its own package, so that a server over TCP does not load the QUIC engine. */
const makers: Record<ChildTransport, () => Promise<Transport>> = {
  quic: async () => (await import("@kwik/transport-quic")).quicTransport(),
  webtransport: async () => (await import("@kwik/transport-quic")).quicTransport(),
  tcp: async () => (await import("@kwik/transport-tcp")).tcpTransport(),
  "plaintext tcp": async () => (await import("@kwik/transport-tcp")).tcpTransport({ dangerouslyPlaintext: true }),
  websocket: async () => (await import("@kwik/transport-websocket")).webSocketTransport(),
  "plaintext websocket": async () => (await import("@kwik/transport-websocket")).webSocketTransport({ dangerouslyPlaintext: true }),
};

const transport = await makers[process.env["TEST_TRANSPORT"] as ChildTransport]();
const listener = await transport.listen({
  address: { host: process.env["TEST_HOST"] ?? "127.0.0.1", port: 0 },
  web: {},
  tls: { cert: process.env["TEST_CERT"] ?? "", key: process.env["TEST_KEY"] ?? "" },
  onLink: (link) =>
    link.attach({
      onCarrier: (carrier) => {
        carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined };
      },
      onDatagram: (data) => void link.sendDatagram(data),
      onClose: () => undefined,
      onBatchEnd: () => undefined,
    }),
});
process.send?.(parseAddress(listener.address));
process.on("disconnect", () => process.exit(0));
