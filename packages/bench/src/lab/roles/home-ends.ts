import { listen, type ServerSession } from "kwik";
import type { Role } from "../../process/role.ts";
import type { ArrivalLog } from "../process/arrival-log.ts";
import type { KwikClientArgument, TransferRequest } from "../process/lab-role.ts";
import { runTransfer, serveTransfer } from "../process/lab-stream.ts";
import { dialAll, readyOf, serveAll } from "./kwik-ends.ts";
import { SessionWatch } from "./session-watch.ts";

/** One kwik server at all its addresses; `ready` is a KwikServerReady. */
export async function homeServer(): Promise<Role> {
  let upload: ArrivalLog | undefined;
  let watch: SessionWatch | undefined;
  const listener = await listen("0.0.0.0:0", { tls: "self-signed" });
  const serve = async (session: ServerSession): Promise<void> => {
    watch = new SessionWatch(session);
    for await (const stream of session.incomingStreams()) serveTransfer(stream, (log) => (upload = log)).catch(() => undefined);
  };
  void serveAll(listener, serve);
  return {
    ready: readyOf(listener),
    commands: { arrivals: async () => upload?.summary(), session: async () => watch?.report() },
  };
}

/** A session with the first address; the others become further paths of it. */
export async function homeClient(argument: KwikClientArgument): Promise<Role> {
  const { session, connectMs } = await dialAll(argument);
  const watch = new SessionWatch(session);
  let log: ArrivalLog | undefined;
  return {
    ready: { connectMs },
    commands: {
      transfer: ({ direction, bytes }: TransferRequest) => runTransfer(session.openStream(), direction, bytes, (one) => (log = one)),
      arrivals: async () => log?.summary(),
      session: async () => watch.report(),
    },
  };
}
