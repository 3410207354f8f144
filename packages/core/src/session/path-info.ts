import type { RemotePathStatus, SessionPath } from "@kwik/proto";
import type { LinkInfo, PathInfo, PathState, TransportChoice } from "../api/stats.ts";
import type { Link } from "../transport/link.ts";

const STATES: readonly PathState[] = ["connecting", "authenticating", "active", "degraded", "dead", "closed"];

/** A path of this session as the application sees it; `link` is the one that it has now. */
export function publicPath(path: SessionPath, now: number, link: Link | undefined, transportChoice?: TransportChoice): PathInfo {
  return {
    id: path.id,
    ...placeOf(path.address),
    remoteAddress: link?.properties.remoteAddress,
    transport: path.transport,
    transportChoice,
    identity: path.identity,
    state: path.state,
    reason: path.stateReason,
    primary: path.isPrimary,
    local: true,
    rttMs: path.smoothedRttMs,
    sendRate: path.deliveryRate * 1000,
    receiveRate: path.receiveRate(now),
    bytesSent: path.bytesSent,
    bytesReceived: path.bytesReceived,
    bytesResent: path.bytesResent,
    inFlightBytes: path.inFlightBytes,
    inFlightLimitBytes: path.inFlightLimitBytes,
    link: undefined,
  };
}

/** A path to another server, as the client reported it. Byte counts are the client's; rates are not known here. */
export function remotePath(status: RemotePathStatus): PathInfo {
  return {
    id: status.pathId,
    ...placeOf(status.address),
    transport: status.transport,
    transportChoice: undefined,
    identity: status.identity === "" ? undefined : status.identity,
    state: STATES.find((state) => state === status.state) ?? "connecting",
    reason: status.reason,
    primary: status.isPrimary,
    local: false,
    rttMs: status.rttMs > 0 ? status.rttMs : undefined,
    sendRate: 0,
    receiveRate: 0,
    bytesSent: status.bytesReceived,
    bytesReceived: status.bytesSent,
    bytesResent: 0,
    inFlightBytes: 0,
    inFlightLimitBytes: 0,
    link: undefined,
  };
}

/** The name of a path, taken apart. spec: RELAY-11 */
function placeOf(name: string): Pick<PathInfo, "address" | "relay"> {
  const [address = "", relay] = name.split(" via ", 2);
  return { address, relay };
}

/** The same with what its link says, which is asked when somebody reads it: that costs a call into the transport, and few look. */
export function withLink(info: PathInfo, link: Link | undefined): PathInfo {
  if (link === undefined) return info;
  return {
    ...info,
    get link() {
      return publicLink(link);
    },
  };
}

function publicLink(link: Link): LinkInfo {
  const { streams, encrypted, earlyData } = link.capabilities;
  const { localAddress } = link.properties;
  const { rttMs, congestionWindowBytes, bufferedBytes } = link.stats();
  const { maxDatagramBytes } = link;
  return { localAddress, streams, encrypted, earlyData, maxDatagramBytes, rttMs, congestionWindowBytes, bufferedBytes };
}
