import { checkListenOptions, KwikError, type Listener, type ListenOptions, listenWith, parseAddress } from "@kwik/core";
import { isQuicAvailable } from "@kwik/transport-quic";
import { identityOf, joinAuthority, makeSelfSigned } from "@kwik/trust";
import { environment } from "./environment.ts";

/** Node's own additions to `listen`. */
export interface NodeListenOptions extends ListenOptions {
  /** Problems that belong to no session: refused clients, a misleading bind address. Default: nobody is told. */
  onNotice?(message: string): void;
}

/**
 * Serves sessions at `address` ("host:port", port 0 for any free one), over every transport that works here, on one port: QUIC over UDP, and TCP with TLS.
 * "kwik+quic://host:port" and "kwik+tcp://host:port" serve one of them only. Bind "0.0.0.0" or "::" unless the host has several addresses.
 *
 * With `web` it serves browsers too: over WebTransport, and over WebSocket if the certificate comes from an authority that they know. Without the QUIC engine
 * only the latter; `onNotice` is told.
 *
 * Rejects with a KwikError: IO (the address cannot be bound), INVALID_ARGUMENT (certificate and key), NOT_SUPPORTED.
 */
export async function listen(address: string, options: NodeListenOptions): Promise<Listener> {
  checkListenOptions(options);
  const tls = options.tls === "self-signed" ? await makeSelfSigned({ names: namesFor(address) }) : options.tls;
  let identity: string;
  try {
    identity = identityOf(tls.cert);
  } catch (error) {
    throw new KwikError("INVALID_ARGUMENT", "tls.cert is not a certificate in PEM", { cause: error });
  }
  if (options.web !== undefined && options.web !== false && !isQuicAvailable().ok) options.onNotice?.(NO_WEB_TRANSPORT);
  return listenWith(
    {
      ...environment(),
      tls: { cert: tls.cert, key: tls.key },
      identity,
      identityOf,
      authority: options.cluster === undefined ? undefined : await joinAuthority(options.cluster, identity),
      ...(options.onNotice === undefined ? {} : { onNotice: options.onNotice.bind(options) }),
    },
    address,
    options,
  );
}

const NO_WEB_TRANSPORT =
  "the QUIC engine does not work on this machine, so browsers are served over WebSocket only, and that needs a certificate of an authority that they know";

/** The host of a bind address belongs into a self-signed certificate, unless it stands for all of them. */
function namesFor(address: string): string[] {
  const { host } = parseAddress(address);
  return host === "" || host === "0.0.0.0" || host === "::" ? [] : [host];
}
