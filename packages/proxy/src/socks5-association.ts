import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { isIP, type Socket } from "node:net";
import { KwikError } from "@kwik/core";
import { describeTarget, type TunnelAddress, tunnelDatagrams, TunnelReset } from "@kwik/tunnel";
import { encodeSocksDatagram, encodeSocksReply, parseSocksDatagram, SocksReply, socksReplyOf } from "./socks5-codec.ts";
import { endWith } from "./end-with.ts";
import { failureName } from "./failure-name.ts";
import { type ProxyLedger, secondsSince } from "./proxy-ledger.ts";
import type { DialledTunnel, TunnelDialer } from "./tunnel-dialer.ts";

const UDP = { kind: "udp" } as const;

/**
 * Serves UDP ASSOCIATE: a UDP socket beside the TCP connection, for as long as that one and the tunnel last. Only the client of the connection is served, at the
 * port that its request names, else at the one from which it sends first.
 */
export async function associate(
  socket: Socket,
  signal: AbortSignal,
  asked: TunnelAddress | undefined,
  { dialer, ledger }: { readonly dialer: TunnelDialer; readonly ledger: ProxyLedger },
): Promise<void> {
  let dialled: DialledTunnel;
  let udp: UdpSocket;
  try {
    udp = await bound(plain(socket.localAddress ?? "127.0.0.1"));
  } catch (error) {
    ledger.refused("socks5", describeTarget(UDP), error);
    endWith(socket, encodeSocksReply(SocksReply.failure));
    return;
  }
  try {
    dialled = await dialer.connect(UDP, signal);
  } catch (error) {
    udp.close();
    ledger.refused("socks5", describeTarget(UDP), error);
    endWith(socket, encodeSocksReply(socksReplyOf(failureName(error))));
    return;
  }
  const start = performance.now();
  const client = { address: plain(socket.remoteAddress ?? ""), port: asked?.port === 0 ? undefined : asked?.port };
  const outcome = await ledger.counted(() => relay(socket, signal, udp, client, dialled, dialer));
  dialled.done();
  ledger.closed("socks5", UDP, { ...outcome, seconds: secondsSince(start) });
}

/** Where datagrams come from and go to; the port is not known before the first. */
interface UdpClient {
  readonly address: string;
  port: number | undefined;
}

async function relay(
  socket: Socket,
  signal: AbortSignal,
  udp: UdpSocket,
  client: UdpClient,
  { session, tunnel, gateway }: DialledTunnel,
  dialer: TunnelDialer,
): Promise<{ end: "closed"; sentBytes: number; receivedBytes: number }> {
  const datagrams = tunnelDatagrams(session);
  let pathId: number | undefined;
  let sentBytes = 0;
  let receivedBytes = 0;
  udp.on("error", () => socket.destroy());
  udp.on("message", (message, from) => {
    if (plain(from.address) !== client.address || (client.port !== undefined && client.port !== from.port)) return;
    const packet = parseSocksDatagram(message);
    if (packet === undefined) return;
    client.port = from.port;
    pathId ??= dialer.choice.pathTo(session, gateway);
    if (pathId === undefined) return;
    if (datagrams.send(tunnel.id, packet, { over: pathId })) sentBytes += packet.payload.length;
    // That path may be gone: the next datagram looks for another.
    else pathId = undefined;
  });
  const detach = datagrams.attach(tunnel.id, ({ address, payload }) => {
    if (client.port === undefined) return;
    receivedBytes += payload.length;
    udp.send(encodeSocksDatagram(address, payload), client.port, client.address, () => undefined);
  });
  try {
    const { address, port } = udp.address();
    socket.write(encodeSocksReply(SocksReply.succeeded, { host: address, port }));
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
    tunnel.abort(TunnelReset.cancelled);
  }
  return { end: "closed", sentBytes, receivedBytes };
}

/** A UDP socket at any free port of an address. Rejects with IO. */
async function bound(address: string): Promise<UdpSocket> {
  const udp = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      udp.once("error", reject);
      udp.bind(0, address, resolve);
    });
  } catch (cause) {
    udp.close();
    throw new KwikError("IO", `no UDP port could be bound at ${address}`, { cause });
  }
  return udp.removeAllListeners("error");
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
