import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { anyTransport, dialWith, type Runtime, systemRuntime, type Transport } from "@kwik/core";
import { isQuicAvailable, quicTransport } from "@kwik/transport-quic";
import { type RelayDial, withRelays } from "@kwik/transport-relay";
import { tcpTransport } from "@kwik/transport-tcp";
import { webSocketOver, webSocketTransport } from "@kwik/transport-websocket";
import { trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { AGENT } from "./agent.ts";
import { withPins } from "./certificate-pins.ts";
import { withRevoked } from "./revoked-keys.ts";

const nodeRuntime: Runtime = {
  ...systemRuntime,
  // Blocks are small: handing one to another thread copies it and costs about as much as hashing it here.
  sha256: (parts) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return Promise.resolve(new Uint8Array(hash.digest()));
  },
};

/** What `dial` and `listen` of core want beside a transport. */
const base = { runtime: nodeRuntime, agent: AGENT, checksum: (data: Uint8Array, seed: number): number => crc32(data, seed) };

let transport: Transport | undefined;

/** What this runtime gives to core: its clock and hashes, and the transports that work here. */
export function environment(): typeof base & { readonly transport: Transport } {
  transport ??= makeTransport();
  return { ...base, transport };
}

function makeTransport(): Transport {
  // A server answers WebSocket on its TCP port.
  const tcp = tcpTransport({ http: webSocketOver() });
  const webSocket = webSocketTransport();
  // Where the QUIC engine has no binary, the others carry everything.
  const quic = isQuicAvailable().ok ? [quicTransport({ resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder })] : [];
  // A link is one stream, to which TCP is as good as QUIC, for half of the processor's time; and what happens to UDP then leaves relayed paths alone.
  const toRelays = anyTransport([tcp, ...quic, webSocket]);
  // A relay is reached directly. spec: RELAY-5
  const dialRelay: RelayDial = async (target, options) =>
    dialWith({ ...base, transport: toRelays, ...(await withRevoked(options)) }, target, { ...options, ...withPins(options) });
  return withRelays(anyTransport([...quic, tcp, webSocket]), dialRelay);
}
