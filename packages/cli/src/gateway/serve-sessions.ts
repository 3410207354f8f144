import type { Gateway } from "@kwik/gateway";
import { formatAddress, type Listener } from "kwik";
import type { EventLog } from "../event-log.ts";
import { sentenceOf } from "../exit-status.ts";
import { clientOf } from "./client-tokens.ts";

/** Streams of a session beyond those that it may have connected, so that one too many hears so instead of waiting for a stream. */
export const STREAMS_FOR_REFUSALS = 64;

/** Gives the sessions of a listener to a gateway, until the listener is closed. */
export async function serveSessions(gateway: Gateway, listener: Listener, log: EventLog): Promise<void> {
  for await (const session of listener) {
    const id = session.id.slice(0, 8);
    const client = clientOf(session);
    const source = client.source === undefined ? "" : formatAddress(client.source);
    log.event({ type: "session", session: id, client: client.name, source, role: session.role });
    gateway.serve(session, client).catch((error: unknown) => log.notice(`session ${id}: ${sentenceOf(error)}`));
    void session.closed.then(({ code, reason }) => log.event({ type: "session-closed", session: id, client: client.name, code, reason }));
  }
}
