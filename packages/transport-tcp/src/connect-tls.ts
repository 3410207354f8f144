import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { ConnectionOptions, SecureContext } from "node:tls";
import { KwikError, PipeLink } from "@kwik/core";
import type { DialPlan, LinkProperties } from "@kwik/core";
import { type ReadSlab, shownBy, speaksNoKwik, verifyServer } from "@kwik/tls";
import { PROTOCOL_NAME } from "./protocol-name.ts";
import { type Attempt, until } from "./attempt.ts";
import { TcpPipe } from "./tcp-pipe.ts";
import type { SessionPlace } from "./tls-sessions.ts";

/** How a connection is secured. */
export interface TlsRequest {
  readonly context: SecureContext;
  /** The name to ask for; "" for none, since an IP address is not a name to TLS. */
  readonly serverName: string;
  /** How the server is verified. */
  readonly plan: DialPlan;
  /** Where sessions for resumption are kept; undefined for none. */
  readonly sessions: SessionPlace | undefined;
}

/** What is known of the place of a connection, once it is there. */
export type PlaceProperties = Pick<LinkProperties, "transport" | "remoteAddress" | "localAddress">;

/**
 * Connects with TLS at a place, or over a stream of bytes that leads there, and makes a link of it once the server is believed: nothing is sent before. Owns the stream from
 * here on; `slab` is the one whose `onread` is in the place. Rejects with UNREACHABLE, NOT_TRUSTED, NOT_KWIK or ABORTED; leaves nothing behind then.
 */
export async function connectTls(
  place: ConnectionOptions,
  tls: TlsRequest,
  propertiesOf: (socket: Socket) => PlaceProperties,
  attempt: Attempt,
  slab?: ReadSlab,
): Promise<PipeLink> {
  const { where } = attempt;
  const isVerified = tls.plan.kind !== "unverified";
  const kept = isVerified ? tls.sessions?.take(where) : undefined;
  const socket = connect({ ...place, ...securedBy(tls, kept?.ticket) });
  // An address that nobody answers at has not seen the ticket.
  if (kept !== undefined) socket.once("close", () => socket.bytesWritten === 0 && tls.sessions?.put(where, kept));
  await until(socket, "secureConnect", attempt);
  try {
    if (socket.alpnProtocol !== PROTOCOL_NAME) throw speaksNoKwik(where);
    const shown = shownBy(socket, kept?.certificate);
    const provenIdentity = verifyServer(tls.plan, shown, where);
    // Tickets come after the handshake, and only one of a server that was believed is worth having.
    const { certificate } = shown;
    if (isVerified && certificate !== undefined) socket.on("session", (ticket) => tls.sessions?.put(where, { ticket, certificate }));
    const properties = { ...propertiesOf(socket), provenIdentity, clientIdentity: undefined };
    return new PipeLink(new TcpPipe(socket, properties, true, slab?.attach(socket)), "client");
  } catch (error) {
    socket.destroy();
    throw KwikError.from(error, "NOT_TRUSTED");
  }
}

function securedBy(tls: TlsRequest, ticket: Buffer | undefined): ConnectionOptions {
  return {
    secureContext: tls.context,
    servername: tls.serverName,
    ALPNProtocols: [PROTOCOL_NAME],
    // audited: Node would check neither pins, nor the name of a resumed connection; `verifyServer` decides, before anything is sent.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined, // audited: as above
    ...(ticket === undefined ? {} : { session: ticket }),
  };
}
