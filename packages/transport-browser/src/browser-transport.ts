import { type DialRequest, KwikError, type Link, type LinkProperties, type Transport } from "@kwik/core";

/** A transport of a browser, which dials only. */
export function browserTransport(name: string, dial: (request: DialRequest) => Promise<Link>): Transport {
  return {
    name,
    dial,
    listen: () => Promise.reject(new KwikError("NOT_SUPPORTED", "a browser cannot listen; servers run in Node")),
  };
}

/** What a browser tells of a connection to `place`. */
export function browserLinkProperties(transport: string, place: string, provenIdentity: string | undefined): LinkProperties {
  return { transport, remoteAddress: place, localAddress: undefined, provenIdentity, clientIdentity: undefined };
}
