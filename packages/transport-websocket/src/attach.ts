import type { IncomingMessage, Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import { formatAddress, KwikError, type ListenRequest, type Transport, type TransportListener } from "@kwik/core";
import { DEFAULT_MAX_CONNECTIONS, RefusalNotices, verifyClient } from "@kwik/tls";
import { LinkAcceptor } from "./link-acceptor.ts";
import { checkedPath } from "./request-path.ts";
import { pathOf } from "./upgrade-rules.ts";
import { webSocketTransport, type WebSocketTransportOptions } from "./websocket-transport.ts";

export interface AttachOptions
  extends Pick<WebSocketTransportOptions, "path" | "allowOrigin" | "maxConnections" | "dangerouslyPlaintext" | "onNotice"> {
  /**
   * The server speaks plain HTTP to a gateway that speaks TLS with the clients. They see an encrypted connection and send no checksums;
   * without this such connections are refused. Default false.
   */
  readonly isBehindTlsGateway?: boolean;
}

/**
 * kwik on an HTTPS server that somebody else made and bound: a transport whose `listen` answers requests for a WebSocket on the path, and
 * nothing else. Address and certificate of the `ListenRequest` are the server's, not used here; so are limits of time and of connections before
 * the request is complete. `close` of the listener ends the links and leaves the server as it was. Its `dial` is that of `webSocketTransport`.
 */
export function attachWebSocket(server: HttpServer | HttpsServer, options: AttachOptions = {}): Transport {
  const dialling = webSocketTransport(options);
  const path = checkedPath(options.path);
  return {
    name: dialling.name,
    dial: (request) => dialling.dial(request),
    async listen(request: ListenRequest): Promise<TransportListener> {
      const bound = server.address();
      if (bound === null || typeof bound === "string") throw new KwikError("IO", "the server to attach to is not listening on a port");
      const acceptor = new LinkAcceptor(
        {
          path,
          allowOrigin: options.allowOrigin,
          maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
          isProtectedOutside: options.isBehindTlsGateway ?? false,
          clientOf: (socket) => verifyClient(socket, undefined),
          dangerouslyPlaintext: options.dangerouslyPlaintext ?? false,
        },
        request,
        new RefusalNotices((message) => request.onNotice?.(message)),
      );
      const onUpgrade = (incoming: IncomingMessage, socket: Socket, head: Buffer): void => {
        // Other paths are for the others who listen, if any do: Node leaves a socket to them entirely.
        if (pathOf(incoming) === path || server.listenerCount("upgrade") === 1) acceptor.upgrade(incoming, socket, head);
      };
      server.on("upgrade", onUpgrade);
      return {
        address: formatAddress({ host: bound.address, port: bound.port }),
        close: () => {
          server.off("upgrade", onUpgrade);
          return acceptor.close();
        },
      };
    },
  };
}
