// A server in a process of its own that sends back whatever comes over WebTransport. Run with cert and key in the environment.
import { parseAddress } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";

const listener = await quicTransport({ webTransport: {} }).listen({
  address: { host: "127.0.0.1", port: 0 },
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
