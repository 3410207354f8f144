import { DEFAULT_WEB_PATH, type DialRequest, KwikError, type Link, type Transport } from "@kwik/core";
import { acceptedCertificates } from "./accepted-certificates.ts";
import { browserLinkProperties, browserTransport } from "./browser-transport.ts";
import { connectInTime, placeOf } from "./connect-in-time.ts";
import { constructionFailure, unreachable } from "./dial-failure.ts";
import { type WebTransportConstructor, webTransportOfBrowser, type WebTransportSession } from "./web-transport-api.ts";
import { WebTransportLink } from "./web-transport-link.ts";

const NAME = "webtransport";

/** The Link port over a browser's WebTransport, for pages and workers. It dials only. */
export function webTransportClient(): Transport {
  return browserTransport(NAME, dial);
}

async function dial(request: DialRequest): Promise<Link> {
  const WebTransport = webTransportOfBrowser();
  if (WebTransport === undefined) {
    throw new KwikError("NOT_SUPPORTED", "there is no WebTransport here: it takes a current browser, and a page that came over HTTPS");
  }
  const { hashes, identity } = await acceptedCertificates(request, Date.now());
  const place = placeOf(request.address);
  const session = begin(WebTransport, place, hashes);
  // Who is interested in how a session goes asks for it. One that does not come up rejects both, also where nobody has asked yet.
  for (const told of [session.ready, session.closed]) told.catch(() => undefined);
  const connected = connectInTime<WebTransportSession>(
    request,
    place,
    "WebTransport",
    ({ succeed, fail }) =>
      void session.ready.then(
        () => succeed(session),
        (error: unknown) => fail(unreachable("WebTransport", place, hashes !== undefined, error)),
      ),
    () => session.close({ closeCode: 0, reason: "" }),
  );
  return new WebTransportLink(await connected, browserLinkProperties(NAME, place, identity));
}

function begin(WebTransport: WebTransportConstructor, place: string, hashes: readonly Uint8Array[] | undefined): WebTransportSession {
  // Undefined is as if it were not there.
  const serverCertificateHashes = hashes?.map((value) => ({ algorithm: "sha-256" as const, value }));
  try {
    return new WebTransport(`https://${place}${DEFAULT_WEB_PATH}`, { serverCertificateHashes, congestionControl: "throughput" });
  } catch (error) {
    throw constructionFailure(error, place);
  }
}
