import { createSocket } from "node:dgram";
import { isIP, type Socket } from "node:net";
import { describeTarget, tunnelDatagrams } from "@kwik/tunnel";
import { encodeSocksDatagram, encodeSocksReply, parseSocksDatagram, SocksReply, socksReplyOf } from "./socks5-codec.ts";
import { failureName } from "./failure-name.ts";
import { type ProxyLedger, secondsSince } from "./proxy-ledger.ts";
import type { DialledTunnel, TunnelDialer } from "./tunnel-dialer.ts";

const UDP = { kind: "udp" } as const;

/**
 * Serves UDP ASSOCIATE: a UDP socket beside the TCP connection, for as long as that one and the tunnel last. Only the client of the connection is served, at the
 * port from which it sends first.
 */
export async function associate(socket: Socket, signal: AbortSignal, dialer: TunnelDialer, ledger: ProxyLedger): Promise<void> {
  let dialled: DialledTunnel;
  try {
    dialled = await dialer.connect(UDP, signal);
  } catch (error) {
    ledger.refused("socks5", describeTarget(UDP), error);
    socket.end(encodeSocksReply(socksReplyOf(failureName(error))));
    return;
  }
  const start = performance.now();
  const outcome = await ledger.counted(() => relay(socket, signal, dialled, dialer));
  dialled.done();
  ledger.closed("socks5", UDP, { ...outcome, seconds: secondsSince(start) });
}

async function relay(
  socket: Socket,
  signal: AbortSignal,
  { session, tunnel, gateway }: DialledTunnel,
  dialer: TunnelDialer,
): Promise<{ end: "closed"; sentBytes: number; receivedBytes: number }> {
  const localAddress = socket.localAddress ?? "127.0.0.1";
  const udp = createSocket(isIP(localAddress) === 6 ? "udp6" : "udp4");
  const datagrams = tunnelDatagrams(session);
  let client: { address: string; port: number } | undefined;
  let pathId: number | undefined;
  let sentBytes = 0;
  let receivedBytes = 0;
  udp.on("error", () => socket.destroy());
  udp.on("message", (message, from) => {
    if (plain(from.address) !== plain(socket.remoteAddress ?? "") || (client !== undefined && client.port !== from.port)) return;
    const packet = parseSocksDatagram(message);
    if (packet === undefined) return;
    client = from;
    pathId ??= dialer.choice.pathTo(session, gateway);
    if (pathId === undefined) return;
    if (datagrams.send(tunnel.id, packet, { over: pathId })) sentBytes += packet.payload.length;
    // That path may be gone: the next datagram looks for another.
    else pathId = undefined;
  });
  const detach = datagrams.attach(tunnel.id, ({ address, payload }) => {
    if (client === undefined) return;
    receivedBytes += payload.length;
    udp.send(encodeSocksDatagram(address, payload), client.port, client.address, () => undefined);
  });
  try {
    await new Promise<void>((resolve) => udp.bind(0, localAddress, resolve));
    socket.write(encodeSocksReply(SocksReply.succeeded, { host: plain(localAddress), port: udp.address().port }));
    socket.on("end", () => socket.end());
    socket.resume();
    const gone = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    await Promise.race([gone, streamEnd(tunnel)]);
  } finally {
    detach();
    udp.close();
    socket.destroy();
    tunnel.close().catch(() => undefined);
    tunnel.abort(0);
  }
  return { end: "closed", sentBytes, receivedBytes };
}

async function streamEnd(tunnel: DialledTunnel["tunnel"]): Promise<void> {
  try {
    while ((await tunnel.read()) !== null);
  } catch {
    // An end as well.
  }
}

/** An IPv4 address that a socket of both kinds writes as IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "");
}
