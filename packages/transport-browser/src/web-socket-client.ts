import { DEFAULT_WEB_PATH, type DialRequest, KwikError, type Link, PipeLink, type Transport } from "@kwik/core";
import { acceptedCertificates } from "./accepted-certificates.ts";
import { browserLinkProperties, browserTransport } from "./browser-transport.ts";
import { connectInTime, placeOf } from "./connect-in-time.ts";
import { constructionFailure, unreachable } from "./dial-failure.ts";
import { WebSocketPipe } from "./web-socket-pipe.ts";

const NAME = "websocket";
/** The WebSocket subprotocol that says "kwik, version 1". spec: PIPE-1 */
const SUBPROTOCOL = "kwik.1";

/** The Link port over a browser's WebSocket and TLS, for servers with certificates that the browser believes by itself. It dials only. */
export function webSocketClient(): Transport {
  return browserTransport(NAME, dial);
}

async function dial(request: DialRequest): Promise<Link> {
  if (request.trust.certificates !== undefined) {
    throw new KwikError("NOT_SUPPORTED", "a browser's WebSocket cannot be told which certificates to accept (trust.certificates)");
  }
  await acceptedCertificates(request, Date.now());
  const place = placeOf(request.address);
  const socket = begin(place);
  return connectInTime<Link>(
    request,
    place,
    "WebSocket",
    ({ succeed, fail }) => {
      socket.binaryType = "arraybuffer";
      socket.onclose = () => fail(unreachable("WebSocket", place, false));
      socket.onopen = () => {
        const pipe = new WebSocketPipe(socket, browserLinkProperties(NAME, place, undefined));
        succeed(new PipeLink(pipe, "client"));
      };
    },
    () => socket.close(),
  );
}

function begin(place: string): WebSocket {
  try {
    return new WebSocket(`wss://${place}${DEFAULT_WEB_PATH}`, [SUBPROTOCOL]);
  } catch (error) {
    throw constructionFailure(error, place);
  }
}
