import { connect, type Socket } from "node:net";
import { formatAddress, PipeLink } from "@kwik/core";
import type { ServerAddress } from "@kwik/core";
import { localAddressOf, ReadSlab, SOCKET_OPTIONS } from "@kwik/tls";
import { aborted, attemptAt, until } from "./attempt.ts";
import { connectTls, type PlaceProperties, type TlsRequest } from "./connect-tls.ts";
import { TcpPipe } from "./tcp-pipe.ts";

/** One connection attempt to one IP address. */
export interface ConnectRequest {
  /** An IP address and port. */
  readonly address: ServerAddress;
  /** Undefined: no TLS at all. */
  readonly tls: TlsRequest | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Connects. Rejects with UNREACHABLE, NOT_TRUSTED, NOT_KWIK or ABORTED; leaves nothing behind then. */
export async function connectTcp({ address, tls, timeoutMs, signal }: ConnectRequest): Promise<PipeLink> {
  const where = formatAddress(address);
  const attempt = attemptAt(where, timeoutMs, signal);
  if (signal?.aborted === true) throw aborted(attempt);
  const slab = new ReadSlab();
  const place = { ...SOCKET_OPTIONS, host: address.host, port: address.port, onread: slab.onread };
  const propertiesOf = (socket: Socket): PlaceProperties => ({
    transport: "tcp",
    remoteAddress: where,
    localAddress: localAddressOf(socket),
  });
  if (tls !== undefined) return connectTls(place, tls, propertiesOf, attempt, slab);
  const socket = connect(place);
  await until(socket, "connect", attempt);
  const properties = { ...propertiesOf(socket), provenIdentity: undefined, clientIdentity: undefined };
  return new PipeLink(new TcpPipe(socket, properties, false, slab.attach(socket)), "client");
}
