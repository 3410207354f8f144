import { type Carrier, formatAddress, parseAddress } from "kwik";
import { quicTransport } from "@kwik/transport-quic";
import type { Role } from "../process/role.ts";
import { Ask, BLOCK_BYTES, RequestReader } from "../request.ts";
import { loopbackCertificate } from "./loopback-certificate.ts";

const BLOCK = new Uint8Array(BLOCK_BYTES).fill(7);

/** What is ready: where, and the certificate in PEM. */
export interface WebServerReady {
  /** "host:port" */
  readonly address: string;
  readonly certificate: string;
}

/** A WebTransport server without kwik's protocol: it does what the first bytes on each stream ask. */
export async function webServer(): Promise<Role> {
  const tls = loopbackCertificate();
  const listener = await quicTransport().listen({
    address: { host: "0.0.0.0", port: 0 },
    tls,
    web: { allowOrigin: () => true },
    onLink: (link) =>
      link.attach({
        onCarrier: serveCarrier,
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      }),
  });
  const address = formatAddress({ host: "127.0.0.1", port: parseAddress(listener.address).port });
  return { ready: { address, certificate: tls.cert } satisfies WebServerReady, commands: {} };
}

function serveCarrier(carrier: Carrier): void {
  const reader = new RequestReader();
  let left = -1;
  const take = (bytes: number): void => {
    left -= bytes;
    if (left === 0) carrier.send([Uint8Array.of(1)]);
  };
  carrier.receiver = {
    onData: (data) => {
      if (left >= 0) {
        take(data.length);
        return;
      }
      const request = reader.push(data);
      if (request?.ask === Ask.download) send(carrier, request.count);
      if (request?.ask !== Ask.upload) return;
      left = request.count;
      take(request.rest.length);
    },
    onEnd: () => undefined,
  };
}

/** All at once: a carrier takes what it is given, and the block is always the same. */
function send(carrier: Carrier, count: number): void {
  for (let left = count; left > 0; left -= BLOCK.length) carrier.send([left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK]);
}
