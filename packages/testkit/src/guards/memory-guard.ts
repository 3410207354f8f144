import type { Session } from "@kwik/proto";

/** A write is taken whole once there is room for any of it. */
const WRITE_BYTES = 64 * 1024;
/** A packet is begun while there is room for any of it, and has headers; feedback is not bound by the room. */
const PACKET_SLACK_BYTES = 96 * 1024;

/** What a session holds in memory, in bytes. */
export interface MemoryUse {
  readonly receiveBytes: number;
  readonly sendBytes: number;
  readonly contentBytes: number;
  readonly inFlightBytes: number;
}

/** Checks that a session's memory stays within its credit and limits; keeps the peaks. */
export class MemoryGuard {
  peakReceiveBytes = 0;
  peakSendBytes = 0;
  peakInFlightBytes = 0;

  /** Throws if a bound is broken. */
  check(name: string, session: Session): void {
    const use = memoryUse(session);
    this.peakReceiveBytes = Math.max(this.peakReceiveBytes, use.receiveBytes + use.contentBytes);
    this.peakSendBytes = Math.max(this.peakSendBytes, use.sendBytes);
    this.peakInFlightBytes = Math.max(this.peakInFlightBytes, use.inFlightBytes);
    const { limits, peers, streams, paths } = session.state;
    let windows = 0;
    for (const peer of peers.values()) windows += peer.receiveWindow.limit - peer.receiveWindow.consumedBytes;
    const received = windows + (session.content.hasFetches || use.contentBytes > 0 ? limits.maxContentWindowBytes : 0);
    // What a verified content has brought waits for its reader within the content's window.
    const contentShare = this.hasContent ? limits.maxContentWindowBytes : 0;
    if (use.receiveBytes + use.contentBytes > received + contentShare) {
      throw new Error(`${name}: ${use.receiveBytes} + ${use.contentBytes} bytes received and not read, with credit for ${windows}`);
    }
    for (const entry of streams.values()) {
      const held = entry.sender?.stream.bufferedBytes ?? 0;
      if (held > limits.maxSendBufferBytes + WRITE_BYTES) throw new Error(`${name}: stream ${entry.id} holds ${held} bytes to send`);
    }
    for (const path of paths.all()) {
      if (path.inFlightBytes > limits.maxInFlightBytes + PACKET_SLACK_BYTES) {
        throw new Error(`${name}: path ${path.id} has ${path.inFlightBytes} bytes in flight`);
      }
    }
  }

  /** Contents were sent in this session. */
  hasContent = false;
}

export function memoryUse(session: Session): MemoryUse {
  let receiveBytes = 0;
  let sendBytes = session.server?.content.bufferedBytes ?? 0;
  let inFlightBytes = 0;
  for (const entry of session.state.streams.values()) {
    receiveBytes += entry.receive?.bufferedBytes ?? 0;
    sendBytes += entry.sender?.stream.bufferedBytes ?? 0;
  }
  for (const path of session.state.paths.all()) inFlightBytes += path.inFlightBytes;
  return { receiveBytes, sendBytes, contentBytes: session.content.bufferedBytes, inFlightBytes };
}
