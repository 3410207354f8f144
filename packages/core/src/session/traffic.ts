import type { Session } from "@kwik/proto";
import type { SessionStats } from "../api/stats.ts";

/** What went over a session's paths, and what is held in memory for it. */
export function trafficOf(proto: Session): Omit<SessionStats, "isSuspended" | "suspensions" | "sourceFaults" | "paths"> {
  const { state } = proto;
  let receiveBufferBytes = proto.content.bufferedBytes;
  let sendBufferBytes = proto.server?.content.bufferedBytes ?? 0;
  let duplicateBytes = proto.content.duplicateBytes;
  for (const entry of state.streams.values()) {
    receiveBufferBytes += entry.receive?.bufferedBytes ?? 0;
    sendBufferBytes += entry.sender?.stream.bufferedBytes ?? 0;
    duplicateBytes += entry.receive?.duplicateBytes ?? 0;
  }
  for (const peer of state.peers.values()) duplicateBytes += peer.duplicateBytes;
  let bytesSent = 0;
  let bytesReceived = 0;
  for (const path of state.paths.all()) {
    bytesSent += path.bytesSent;
    bytesReceived += path.bytesReceived;
  }
  return { bytesSent, bytesReceived, openStreams: state.streams.size, receiveBufferBytes, sendBufferBytes, duplicateBytes };
}
