import {
  checkedWebPath,
  type DialRequest,
  KwikError,
  type Link,
  type ListenRequest,
  type Transport,
  type TransportListener,
} from "@kwik/core";
import { acceptedCertificates } from "./accepted-certificates.ts";
import { connectInTime, placeOf } from "./connect-in-time.ts";
import { constructionFailure, unreachable } from "./dial-failure.ts";
import { listenNowhere } from "./listen-nowhere.ts";
import { type WebTransportConstructor, webTransportOfBrowser, type WebTransportSession } from "./web-transport-api.ts";
import { WebTransportLink } from "./web-transport-link.ts";

/** The Link port over a browser's WebTransport, for pages and workers. It dials only. `path` is where servers answer; default "/kwik". */
export function webTransportClient(options: { readonly path?: string } = {}): Transport {
  return new WebTransportClient(checkedWebPath(options.path));
}

class WebTransportClient implements Transport {
  readonly name = "webtransport";
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  listen(_request: ListenRequest): Promise<TransportListener> {
    return listenNowhere();
  }

  async dial(request: DialRequest): Promise<Link> {
    const WebTransport = webTransportOfBrowser();
    if (WebTransport === undefined) {
      throw new KwikError("NOT_SUPPORTED", "there is no WebTransport here: it takes a current browser, and a page that came over HTTPS");
    }
    const { hashes, identity } = await acceptedCertificates(request, Date.now());
    const place = placeOf(request.address);
    const session = this.#begin(WebTransport, place, hashes);
    // Who is interested in how a session goes asks for it. One that does not come up rejects both, also where nobody has asked yet.
    for (const told of [session.ready, session.closed]) told.catch(() => undefined);
    const connected = connectInTime<WebTransportSession>(
      request,
      "WebTransport",
      ({ succeed, fail }) =>
        void session.ready.then(
          () => succeed(session),
          (error: unknown) => fail(unreachable("WebTransport", place, hashes !== undefined, error)),
        ),
      () => session.close({ closeCode: 0, reason: "" }),
    );
    return new WebTransportLink(await connected, {
      transport: this.name,
      remoteAddress: place,
      localAddress: undefined,
      provenIdentity: identity,
      clientIdentity: undefined,
    });
  }

  #begin(WebTransport: WebTransportConstructor, place: string, hashes: readonly Uint8Array[] | undefined): WebTransportSession {
    const accepted =
      hashes === undefined ? {} : { serverCertificateHashes: hashes.map((value) => ({ algorithm: "sha-256" as const, value })) };
    try {
      return new WebTransport(`https://${place}${this.#path}`, { ...accepted, congestionControl: "throughput" });
    } catch (error) {
      throw constructionFailure(error, place);
    }
  }
}
