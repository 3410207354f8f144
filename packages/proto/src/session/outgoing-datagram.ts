import { PRIMARY_MEMBER, type PathId } from "../base/ids.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import { DatagramFrame } from "./single-frames.ts";

/** Where a datagram goes: on the best path, a copy on each path to the same server, or on one path. */
export type DatagramWay = "best" | "all" | PathId;

/** Queues copies of a datagram; false if there is no way, or too many wait. spec: DGRAM-1 */
export function sendDatagram(state: SessionState, data: Uint8Array, over: DatagramWay): boolean {
  const { maxDatagramQueue } = state.limits;
  for (const peer of primaryFirst(state)) {
    const paths = state.paths.usableOf(peer.member).filter((path) => state.wireOf(path)?.takesNew === true);
    if (peer.isLost || paths.length === 0) continue;
    if (typeof over === "number" && !paths.some((path) => path.id === over)) continue;
    const frame = (): DatagramFrame => new DatagramFrame(peer.nextDatagram, copy);
    const copy = new Uint8Array(data);
    if (over === "best") {
      const one = frame();
      const isForLink = paths.some((path) => one.linkBytes <= (state.wireOf(path)?.linkDatagramBytes ?? 0));
      const queue = isForLink ? peer.datagrams : peer.messages;
      if (queue.length >= maxDatagramQueue) return false;
      queue.push(one);
    } else {
      const wires = paths.filter((path) => over === "all" || path.id === over).map((path) => state.wireOf(path));
      const roomy = wires.filter((wire) => wire !== undefined && wire.datagrams.length < maxDatagramQueue);
      if (roomy.length === 0) return false;
      for (const wire of roomy) wire?.datagrams.push(frame());
    }
    peer.nextDatagram += 1;
    return true;
  }
  return false;
}

/** On a client the primary, then the others; a server has only its client. */
function primaryFirst(state: SessionState): Iterable<Peer> {
  const primary = state.peers.get(state.primary);
  return primary === undefined || state.primary === PRIMARY_MEMBER ? state.peers.values() : new Set([primary, ...state.peers.values()]);
}
