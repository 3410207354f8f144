import { type AddressInfo, isIP } from "node:net";
import { parseAddress, type PathInfo, type Session } from "@kwik/core";
import { openTunnel } from "@kwik/tunnel";
import type { Attachment, SocketStream } from "./attachment.ts";
import type { DirectRoute, Route, TunnelRoute } from "./route.ts";
import type { Lease, SessionPool } from "./session-pool.ts";

/** Makes the connections of sockets. Rejects with KwikError. */
export type Connector = (route: Route, signal: AbortSignal) => Promise<Attachment>;

/** Connections over the sessions of a pool, or over sessions that the program gives. */
export function connectorOver(pool: SessionPool): Connector {
  return async (route, signal) => {
    const lease = await leaseFor(pool, route, signal);
    try {
      return await (route.kind === "direct" ? direct(lease, route, signal) : tunnelled(lease, route, signal));
    } catch (error) {
      lease.release();
      throw error;
    }
  };
}

/** "host:port" as `net` writes addresses; undefined for what is none. */
export function addressInfo(address: string): AddressInfo | undefined {
  try {
    const { host, port } = parseAddress(address);
    return hostInfo(host, port);
  } catch {
    return undefined;
  }
}

/** Of the first path that works: the address that was dialled, or, for servers, where the client comes from. */
export function addressOf(session: Session, which: "address" | "remoteAddress"): AddressInfo | undefined {
  const works = (path: PathInfo): boolean => path.state === "active" || path.state === "degraded";
  const address = session.stats().paths.find(works)?.[which];
  return address === undefined ? undefined : addressInfo(address);
}

async function leaseFor(pool: SessionPool, route: Route, signal: AbortSignal): Promise<Pick<Lease, "release"> & { session: Session }> {
  const server = route.kind === "direct" ? route.server : route.gateway;
  if (typeof server === "string" || server instanceof URL) return pool.lease(server, route.dial, signal);
  return { session: server, release: () => undefined };
}

type UsedSession = Awaited<ReturnType<typeof leaseFor>>;

async function direct({ session, release }: UsedSession, _route: DirectRoute, signal: AbortSignal): Promise<Attachment> {
  // Closed to other servers, and so announced at once: a server that speaks first has to hear of it. spec: STREAM-3
  const stream = await session.openStreamSync({ contributions: false, signal });
  return { stream, release, local: () => undefined, remote: () => addressOf(session, "address") };
}

async function tunnelled({ session, release }: UsedSession, route: TunnelRoute, signal: AbortSignal): Promise<Attachment> {
  const { host, port } = route;
  const tunnel = await openTunnel(session, { kind: "tcp", host, port }, { signal });
  const bound = await tunnel.connected;
  return {
    stream: tunnel satisfies SocketStream,
    release,
    local: () => (bound === undefined ? undefined : hostInfo(bound.host, bound.port)),
    remote: () => hostInfo(host, port),
  };
}

function hostInfo(host: string, port: number): AddressInfo {
  return { address: host, family: isIP(host) === 6 ? "IPv6" : "IPv4", port };
}
