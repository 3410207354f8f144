import { KwikError } from "@kwik/core";

/** What a transport of a browser answers to `listen`. */
export function listenNowhere(): Promise<never> {
  return Promise.reject(new KwikError("NOT_SUPPORTED", "a browser cannot listen; servers run in Node"));
}
