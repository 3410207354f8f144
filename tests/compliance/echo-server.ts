// A server in a process of its own that sends back whatever comes. Run with cert, key and the name of the transport in the environment.
import { parseAddress } from "@kwik/core";
import type { Transport } from "@kwik/core";

/** Loaded one by one, so that a server over TCP does not load the QUIC engine. */
async function makeTransport(name: string): Promise<Transport> {
  if (name === "quic") return (await import("@kwik/transport-quic")).quicTransport();
  return (await import("@kwik/transport-tcp")).tcpTransport({ dangerouslyPlaintext: name === "plaintext tcp" });
}

const transport = await makeTransport(process.env["TEST_TRANSPORT"] ?? "quic");
const listener = await transport.listen({
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
