import type { ClientSession } from "kwik";
import type { EventLog } from "../event-log.ts";
import { placeOf } from "../path-place.ts";

/** Writes down which paths of a session come and go, and which gateways are not asked for a content any more, until it ends. */
export async function logPaths(session: ClientSession, log: EventLog): Promise<void> {
  for await (const event of session.events()) {
    if (event.type === "path-failed") log.event({ type: event.type, path: event.address, code: event.code, reason: event.reason });
    else if (event.type === "path-active") log.event({ type: event.type, path: placeOf(event.path), transport: event.path.transport });
    else if (event.type === "path-dead") log.event({ type: event.type, path: placeOf(event.path), reason: event.reason });
    else if (event.type === "source-isolated" || event.type === "source-slow") {
      const { type, path, contentId: content, code, reason } = event;
      log.event({ type, path: path === undefined ? "" : placeOf(path), content, code, reason });
    }
  }
}
