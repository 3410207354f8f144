// A QUIC server of bare links in a process of its own. Each carrier is asked for a number of bytes, in decimal digits, and sends them.
// Tells its address, its notices, and, for every message that it gets, the largest packets that its links send.
import { parseAddress } from "@kwik/core";
import type { Link } from "@kwik/core";
import { patternBytes } from "@kwik/testkit";
import { quicTransport } from "@kwik/transport-quic";

const links: Link[] = [];
const listener = await quicTransport().listen({
  address: { host: process.env["TEST_HOST"] ?? "127.0.0.1", port: 0 },
  tls: { cert: process.env["TEST_CERT"] ?? "", key: process.env["TEST_KEY"] ?? "" },
  onLink: (link) => {
    links.push(link);
    link.attach({
      onCarrier: (carrier) => {
        carrier.receiver = {
          onData: (data) => carrier.send([patternBytes(1, 0, Number(Buffer.from(data).toString()))]),
          onEnd: () => undefined,
        };
      },
      onDatagram: () => undefined,
      onClose: () => void links.splice(links.indexOf(link), 1),
      onBatchEnd: () => undefined,
    });
  },
  onNotice: (notice) => process.send?.({ notice }),
});
process.on("message", () => process.send?.({ payloads: links.map((link) => link.stats().maxPayloadBytes ?? 0) }));
process.on("disconnect", () => process.exit(0));
process.send?.({ port: parseAddress(listener.address).port });
