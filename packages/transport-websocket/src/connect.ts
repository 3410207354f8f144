import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, TLSSocket } from "node:tls";
import { type DialPlan, formatAddress, KwikError, type Link, PipeLink, type ServerAddress } from "@kwik/core";
import { closedEarly, localAddressOf, serverNameOf, shownBy, SOCKET_OPTIONS, unreachable, verifyServer } from "@kwik/tls";
import WebSocket from "ws";
import { SUBPROTOCOL, WEBSOCKET_OPTIONS } from "./limits.ts";
import { requestError, statusError } from "./request-error.ts";
import { WsPipe } from "./ws-pipe.ts";

/** One connection attempt to one IP address. */
export interface ConnectRequest {
  /** An IP address and port. */
  readonly address: ServerAddress;
  /** What was asked for: goes into the request, and its name into the TLS handshake, for servers behind a shared address. */
  readonly target: ServerAddress;
  readonly path: string;
  /** With random keys. */
  readonly masksFrames: boolean;
  /** How the connection is secured and the server verified; undefined without TLS. */
  readonly tls: { readonly context: SecureContext; readonly plan: DialPlan } | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** A receiver above failed; the link was closed. */
  onNotice(message: string): void;
}

/** Connects. Rejects with UNREACHABLE, NOT_TRUSTED, NOT_KWIK, ABORTED or INVALID_ARGUMENT; leaves nothing behind then. */
export function connectWebSocket(request: ConnectRequest): Promise<Link> {
  return new Promise((resolve, reject) => {
    const where = formatAddress(request.address);
    if (request.signal?.aborted === true) {
      reject(new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: request.signal.reason }));
      return;
    }
    const url = upgradeUrl(request);
    const socket = openSocket(request);
    let isSettled = false;
    const settle = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
      return true;
    };
    const fail = (error: KwikError): void => {
      if (!settle()) return;
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: request.signal?.reason }));
    const timer = setTimeout(() => fail(unreachable(where, "WebSocket", request.timeoutMs)), request.timeoutMs);
    request.signal?.addEventListener("abort", onAbort, { once: true });

    // Stays for the life of the socket: an error of an attempt that was given up goes nowhere.
    socket.on("error", (error) => fail(requestError(error, where)));
    socket.once("close", () => fail(closedEarly(where)));
    const upgrade = (provenIdentity: string | undefined): void => {
      // The HTTP request goes out over a socket that is connected and verified.
      const ws = new WebSocket(url, [SUBPROTOCOL], {
        ...WEBSOCKET_OPTIONS,
        ...(request.masksFrames ? {} : { generateMask: zeroKey }),
        followRedirects: false,
        createConnection: () => socket,
      });
      ws.on("error", (error) => fail(requestError(error, where)));
      ws.once("unexpected-response", (_request, response) => fail(statusError(response.statusCode ?? 0, where)));
      ws.once("open", () => {
        if (!settle()) return;
        const pipe = new WsPipe({
          ws,
          socket,
          properties: {
            transport: "websocket",
            remoteAddress: where,
            localAddress: localAddressOf(socket),
            provenIdentity,
            clientIdentity: undefined,
          },
          encrypted: socket instanceof TLSSocket,
          onNotice: (message) => request.onNotice(message),
        });
        resolve(new PipeLink(pipe, "client"));
      });
    };
    const { tls } = request;
    if (tls === undefined || !(socket instanceof TLSSocket)) {
      socket.once("connect", () => upgrade(undefined));
      return;
    }
    socket.once("secureConnect", () => {
      if (isSettled) return;
      try {
        upgrade(verifyServer(tls.plan, shownBy(socket), where));
      } catch (error) {
        fail(KwikError.from(error, "NOT_TRUSTED"));
      }
    });
  });
}

function openSocket({ address, target, tls }: ConnectRequest): Socket {
  const socket = connectTcp({ ...SOCKET_OPTIONS, host: address.host, port: address.port });
  if (tls === undefined) return socket;
  return connectTls({
    socket,
    secureContext: tls.context,
    servername: serverNameOf(target.host),
    ALPNProtocols: ["http/1.1"],
    // audited: `verifyServer` judges, before anything is written; what is left to OpenSSL is the chain.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined, // audited: as above
  });
}

function upgradeUrl({ target, path, tls }: ConnectRequest): URL {
  // A zone means something on this machine only, and URLs have no place for it.
  const host = formatAddress({ host: target.host.replace(/%.*$/, ""), port: target.port });
  try {
    return new URL(`${tls === undefined ? "ws" : "wss"}://${host}${path}`);
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", `"${host}" cannot stand in a URL`, { cause });
  }
}

/**
 * The key that changes nothing. Random keys keep a page's script from choosing bytes that a proxy on the way takes for HTTP; over TLS nobody on the way reads,
 * and whoever writes in this process could open a socket anyway. docs/decisions/0028
 */
function zeroKey(mask: Buffer): void {
  mask.fill(0);
}
