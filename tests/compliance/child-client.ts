// A QUIC client in a process of its own. TEST_MODE "read": reads for ever. "two": a first connection that ends, then a second at once;
// reports what the second was sent.
import { quicTransport } from "@kwik/transport-quic";
import type { Carrier, Link } from "@kwik/core";

const port = Number(process.env["TEST_PORT"]);

async function connect(onData: (data: Uint8Array) => void): Promise<{ link: Link; carrier: Carrier }> {
  const link = await quicTransport().dial({
    address: { host: "127.0.0.1", port },
    trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 5_000,
    signal: undefined,
  });
  link.attach({ onCarrier: () => undefined, onDatagram: () => undefined, onClose: () => undefined, onBatchEnd: () => undefined });
  const carrier = link.openCarrier();
  if (carrier === undefined) throw new Error("no carrier");
  carrier.receiver = { onData, onEnd: () => undefined };
  return { link, carrier };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

process.on("disconnect", () => process.exit(0));
if (process.env["TEST_MODE"] === "read") {
  const { carrier } = await connect(() => undefined);
  carrier.send([Uint8Array.of(1)]);
  process.send?.("reading");
} else {
  const first = await connect(() => undefined);
  first.carrier.send([Buffer.from("first")]);
  await pause(300);
  first.link.close(1, "leaves");
  await pause(300);
  let received = "";
  const second = await connect((data) => {
    received += Buffer.from(data).toString();
  });
  second.carrier.send([Buffer.from("second")]);
  await pause(1_800);
  process.send?.(received);
}
