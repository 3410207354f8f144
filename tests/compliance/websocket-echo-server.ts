// A WebSocket server in a process of its own that sends back whatever comes. Run with cert and key in the environment; without a key it
// speaks without TLS.
import { parseAddress } from "@kwik/core";
import { webSocketTransport } from "@kwik/transport-websocket";

const tls = { cert: process.env["TEST_CERT"] ?? "", key: process.env["TEST_KEY"] ?? "" };
const listener = await webSocketTransport({ dangerouslyPlaintext: tls.key === "" }).listen({
  address: { host: "127.0.0.1", port: 0 },
  tls,
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
