import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import { domainToASCII } from "node:url";
import { type DialPlan, formatAddress, KwikError, type Link, PipeLink, type ServerAddress } from "@kwik/core";
import WebSocket from "ws";
import { dialError, statusError, unreachable } from "./dial-error.ts";
import { SOCKET_OPTIONS, SUBPROTOCOL } from "./limits.ts";
import { verifyServer } from "./verify-server.ts";
import { WsPipe } from "./ws-pipe.ts";

/** One connection attempt to one IP address. */
export interface ConnectRequest {
  /** An IP address and port. */
  readonly address: ServerAddress;
  /** What was asked for: goes into the request, and its name into the TLS handshake, for servers behind a shared address. */
  readonly target: ServerAddress;
  readonly path: string;
  /** How the server is verified; undefined without TLS. */
  readonly plan: DialPlan | undefined;
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
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
    const timer = setTimeout(() => fail(unreachable(where, request.timeoutMs)), request.timeoutMs);
    request.signal?.addEventListener("abort", onAbort, { once: true });

    // Stays for the life of the socket: an error of an attempt that was given up goes nowhere.
    socket.on("error", (error) => fail(dialError(error, where)));
    socket.once("close", () => fail(dialError(Object.assign(new Error("closed"), { code: "ECONNRESET" }), where)));
    const upgrade = (provenIdentity: string | undefined): void => {
      // The HTTP request goes out over a socket that is connected and verified.
      const ws = new WebSocket(url, [SUBPROTOCOL], { ...SOCKET_OPTIONS, followRedirects: false, createConnection: () => socket });
      ws.on("error", (error) => fail(dialError(error, where)));
      ws.once("unexpected-response", (_request, response) => fail(statusError(response.statusCode ?? 0, where)));
      ws.once("open", () => {
        if (!settle()) return;
        const pipe = new WsPipe({
          ws,
          socket,
          properties: {
            transport: "websocket",
            remoteAddress: where,
            localAddress: localAddress(socket),
            provenIdentity,
            clientIdentity: undefined,
          },
          encrypted: socket instanceof TLSSocket,
          onNotice: (message) => request.onNotice(message),
        });
        resolve(new PipeLink(pipe, "client"));
      });
    };
    const { plan } = request;
    if (plan === undefined || !(socket instanceof TLSSocket)) {
      socket.once("connect", () => upgrade(undefined));
      return;
    }
    socket.once("secureConnect", () => {
      if (isSettled) return;
      try {
        const chainError = socket.authorized ? undefined : String(socket.authorizationError);
        upgrade(verifyServer(plan, { certificate: socket.getPeerX509Certificate(), chainError }, where));
      } catch (error) {
        fail(KwikError.from(error, "NOT_TRUSTED"));
      }
    });
  });
}

function openSocket(request: ConnectRequest): Socket {
  const { address, target, plan, clientCertificate } = request;
  if (plan === undefined) return connectTcp({ host: address.host, port: address.port });
  try {
    return connectTls({
      host: address.host,
      port: address.port,
      servername: isIP(target.host) === 0 ? asciiName(target.host) : "",
      minVersion: "TLSv1.3",
      ALPNProtocols: ["http/1.1"],
      ca: "ca" in plan ? plan.ca : undefined,
      cert: clientCertificate?.cert,
      key: clientCertificate?.key,
      // `verifyServer` judges, before anything is written; what is left to OpenSSL is the chain.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const what = clientCertificate === undefined ? "certificate authorities" : "certificate authorities or the client certificate";
    throw new KwikError("INVALID_ARGUMENT", `the given ${what} cannot be used; they must be PEM (${message})`, { cause });
  }
}

function upgradeUrl({ target, path, plan }: ConnectRequest): URL {
  // A zone means something on this machine only, and URLs have no place for it.
  const host = formatAddress({ host: target.host.replace(/%.*$/, ""), port: target.port });
  try {
    return new URL(`${plan === undefined ? "ws" : "wss"}://${host}${path}`);
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", `"${host}" cannot stand in a URL`, { cause });
  }
}

function asciiName(host: string): string {
  const name = host.replace(/\.$/, "");
  return domainToASCII(name) || name;
}

function localAddress(socket: Socket): string | undefined {
  const { localAddress: host, localPort: port } = socket;
  return host === undefined || port === undefined ? undefined : formatAddress({ host, port });
}
