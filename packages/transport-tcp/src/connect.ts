import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, SecureContext } from "node:tls";
import { formatAddress, KwikError, PipeLink } from "@kwik/core";
import type { DialPlan, ServerAddress } from "@kwik/core";
import {
  closedEarly,
  dialError,
  localAddressOf,
  ReadSlab,
  shownBy,
  SOCKET_OPTIONS,
  speaksNoKwik,
  unreachable,
  verifyServer,
} from "@kwik/tls";
import { PROTOCOL_NAME } from "./protocol-name.ts";
import { TcpPipe } from "./tcp-pipe.ts";
import type { SessionPlace } from "./tls-sessions.ts";

/** How a connection is secured. */
export interface TlsRequest {
  readonly context: SecureContext;
  /** The name to ask for; "" for none, since an IP address is not a name to TLS. */
  readonly serverName: string;
  /** How the server is verified. */
  readonly plan: DialPlan;
  /** Where sessions for resumption are kept. */
  readonly sessions: SessionPlace;
}

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
export function connectTcp(request: ConnectRequest): Promise<PipeLink> {
  return new Promise((resolve, reject) => {
    const { address, tls, signal } = request;
    const where = formatAddress(address);
    const aborted = (): KwikError => new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: signal?.reason });
    if (signal?.aborted === true) {
      reject(aborted());
      return;
    }
    let isSettled = false;
    const slab = new ReadSlab();
    const isVerified = tls !== undefined && tls.plan.kind !== "unverified";
    const kept = isVerified ? tls.sessions.take(where) : undefined;
    const settle = (): void => {
      isSettled = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: KwikError): void => {
      if (isSettled) return;
      settle();
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(aborted());
    // Stays for good: a socket that was given up may still report an error, and nobody else listens.
    const onError = (error: Error): void => fail(dialError(error, where));
    const onClose = (): void => fail(closedEarly(where));
    const succeed = (identity: string | undefined): void => {
      settle();
      const properties = {
        transport: "tcp",
        remoteAddress: where,
        localAddress: localAddressOf(socket),
        provenIdentity: identity,
        clientIdentity: undefined,
      };
      resolve(new PipeLink(new TcpPipe(socket, properties, tls !== undefined, slab.attach(socket)), "client"));
    };

    const place = { ...SOCKET_OPTIONS, host: address.host, port: address.port, onread: slab.onread };
    const secured = tls === undefined ? undefined : connectTls({ ...place, ...securedBy(tls, kept?.ticket) });
    const socket: Socket = secured ?? connectSocket(place);
    socket.on("error", onError);
    socket.once("close", onClose);
    // An address that nobody answers at has not seen the ticket.
    if (kept !== undefined) socket.once("close", () => socket.bytesWritten === 0 && tls?.sessions.put(where, kept));
    if (secured === undefined || tls === undefined) socket.once("connect", () => isSettled || succeed(undefined));
    else
      secured.once("secureConnect", () => {
        if (isSettled) return;
        try {
          if (secured.alpnProtocol !== PROTOCOL_NAME) throw speaksNoKwik(where);
          const shown = shownBy(secured, kept?.certificate);
          succeed(verifyServer(tls.plan, shown, where));
          // Tickets come after the handshake, and only one of a server that was believed is worth having.
          const { certificate } = shown;
          if (!isVerified || certificate === undefined) return;
          secured.on("session", (ticket) => tls.sessions.put(where, { ticket, certificate }));
        } catch (error) {
          fail(KwikError.from(error, "NOT_TRUSTED"));
        }
      });
    const timer = setTimeout(() => fail(unreachable(where, "TCP", request.timeoutMs)), request.timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function securedBy(tls: TlsRequest, ticket: Buffer | undefined): ConnectionOptions {
  return {
    secureContext: tls.context,
    servername: tls.serverName,
    ALPNProtocols: [PROTOCOL_NAME],
    // Node would check neither pins, nor the name of a resumed connection: `verifyServer` decides, before anything is sent.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(ticket === undefined ? {} : { session: ticket }),
  };
}
