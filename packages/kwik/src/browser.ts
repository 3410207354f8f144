import { anyTransport, type ClientSession, type DialOptions, dialWith, KwikError, systemRuntime, type Transport } from "@kwik/core";
import { webSocketClient, webTransportClient } from "@kwik/transport-browser";
import { AGENT } from "./agent.ts";

let transport: Transport | undefined;

/**
 * `dial` for pages and workers: the same sessions and streams as in Node, over WebTransport, or WebSocket where that does not pass. Servers are believed by
 * the browser's own authorities, or by `options.trust.certificates`; `ca`, `pins`, `dangerouslyTrustAnyServer` and client certificates are NOT_SUPPORTED in
 * browsers. docs/decisions/0015-the-browser.md
 *
 * Rejects with a KwikError: UNREACHABLE, NOT_TRUSTED, NOT_SUPPORTED, AUTH_REFUSED, TIMEOUT, ABORTED, INVALID_ARGUMENT.
 */
export async function dial(target: string | URL, options: DialOptions = {}): Promise<ClientSession> {
  if ((globalThis as { readonly isSecureContext?: boolean }).isSecureContext === false) {
    throw new KwikError("NOT_SUPPORTED", "kwik needs a page that came over HTTPS, or from localhost");
  }
  transport ??= anyTransport([webTransportClient(), webSocketClient()]);
  return dialWith({ transport, runtime: systemRuntime, agent: AGENT }, target, options);
}

export * from "./session-api.ts";
