import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { anyTransport, dialWith, type Runtime, systemRuntime, type Transport } from "@kwik/core";
import { isQuicAvailable, quicTransport } from "@kwik/transport-quic";
import { withRelays } from "@kwik/transport-relay";
import { tcpTransport } from "@kwik/transport-tcp";
import { webSocketOver, webSocketTransport } from "@kwik/transport-websocket";
import { trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { AGENT } from "./agent.ts";
import { withPins } from "./certificate-pins.ts";

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
  const direct = anyTransport(transports());
  // A relay is reached directly. spec: RELAY-5
  return withRelays(direct, (target, options) => dialWith({ ...base, transport: direct }, target, { ...options, ...withPins(options) }));
}

/** The preferred one first. Where the QUIC engine has no binary, the others carry everything. */
function transports(): Transport[] {
  // A server answers WebSocket on its TCP port.
  const others = [tcpTransport({ http: webSocketOver() }), webSocketTransport()];
  if (!isQuicAvailable().ok) return others;
  return [quicTransport({ resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder }), ...others];
}
