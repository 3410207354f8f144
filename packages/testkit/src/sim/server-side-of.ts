import type { ServerSide, Session } from "@kwik/proto";

/** What only a server's session has. */
export function serverSideOf({ server }: Session): ServerSide {
  if (server === undefined) throw new Error("not a server's session");
  return server;
}
