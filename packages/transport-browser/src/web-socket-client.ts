import {
  checkedWebPath,
  type DialRequest,
  KwikError,
  type Link,
  type ListenRequest,
  PipeLink,
  type Transport,
  type TransportListener,
} from "@kwik/core";
import { acceptedCertificates } from "./accepted-certificates.ts";
import { connectInTime, placeOf } from "./connect-in-time.ts";
import { constructionFailure, unreachable } from "./dial-failure.ts";
import { listenNowhere } from "./listen-nowhere.ts";
import { WebSocketPipe } from "./web-socket-pipe.ts";

/** The WebSocket subprotocol that says "kwik, version 1". spec: PIPE-1 */
const SUBPROTOCOL = "kwik.1";

/**
 * The Link port over a browser's WebSocket and TLS, for servers with certificates that the browser believes by itself. It dials only. `path` is where
 * servers answer; default "/kwik".
 */
export function webSocketClient(options: { readonly path?: string } = {}): Transport {
  return new WebSocketClient(checkedWebPath(options.path));
}

class WebSocketClient implements Transport {
  readonly name = "websocket";
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  listen(_request: ListenRequest): Promise<TransportListener> {
    return listenNowhere();
  }

  async dial(request: DialRequest): Promise<Link> {
    if (request.trust.certificates !== undefined) {
      throw new KwikError("NOT_SUPPORTED", "a browser's WebSocket cannot be told which certificates to accept (trust.certificates)");
    }
    await acceptedCertificates(request, Date.now());
    const place = placeOf(request.address);
    const socket = this.#begin(place);
    return connectInTime<Link>(
      request,
      "WebSocket",
      ({ succeed, fail }) => {
        socket.binaryType = "arraybuffer";
        socket.onclose = () => fail(unreachable("WebSocket", place, false));
        socket.onopen = () => {
          const pipe = new WebSocketPipe(socket, {
            transport: this.name,
            remoteAddress: place,
            localAddress: undefined,
            provenIdentity: undefined,
            clientIdentity: undefined,
          });
          succeed(new PipeLink(pipe, "client"));
        };
      },
      () => socket.close(),
    );
  }

  #begin(place: string): WebSocket {
    try {
      return new WebSocket(`wss://${place}${this.#path}`, [SUBPROTOCOL]);
    } catch (error) {
      throw constructionFailure(error, place);
    }
  }
}
