import type { MemberId } from "../base/ids.ts";
import type { Peer } from "./peer.ts";
import type { SessionState } from "./session-state.ts";
import type { StreamEntry } from "./stream-entry.ts";

/** Grants credit for what the application has consumed, or what was dropped for it: to a stream's home and contributors, and to each member of whom bytes came. spec: CREDIT-2 */
export class ReceiveCredit {
  readonly #state: SessionState;
  readonly #giveBack = (member: MemberId, bytes: number): void => {
    const peer = this.#state.peerOf(member);
    peer.receiveWindow.consumed(bytes, this.#state.now, this.#rttOf(peer));
    if (peer.receiveWindow.pollUpdate() !== undefined) peer.frames.push(peer.creditFrame);
  };

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** The application has read so much of the stream; `settle` grants what that allows. */
  consumed(entry: StreamEntry, bytes: number): void {
    entry.receive?.window.consumed(bytes, this.#state.now, this.#rttOf(entry.peer));
  }

  /** Bytes of the stream were read or dropped: gives their credit back. */
  settle(entry: StreamEntry): void {
    const { receive } = entry;
    if (receive === undefined) return;
    receive.takeReleased(this.#giveBack);
    if (receive.window.pollUpdate() === undefined) return;
    if (entry.creditFrame !== undefined) entry.peer.frames.push(entry.creditFrame);
    if (entry.contributors === undefined) return;
    for (const [peer, frame] of entry.contributors) peer.frames.push(frame);
  }

  /** The longest round trip to the peer: a window has to last for what comes over any of its paths. */
  #rttOf(peer: Peer): number | undefined {
    let longest: number | undefined;
    for (const path of this.#state.paths.usableOf(peer.member)) {
      const rtt = path.smoothedRttMs;
      if (rtt !== undefined && (longest === undefined || rtt > longest)) longest = rtt;
    }
    return longest;
  }
}
