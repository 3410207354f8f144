import { dial, listen, type ServerSession } from "kwik";
import type { Role } from "../../process/role.ts";
import { type ArrivalLog, epochMs } from "../process/arrival-log.ts";
import type { KwikClientArgument, KwikServerReady, TransferRequest } from "../process/lab-role.ts";
import { runTransfer, serveTransfer } from "../process/lab-stream.ts";
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
  void (async () => {
    for await (const session of listener) void serve(session).catch(() => undefined);
  })();
  return {
    ready: {
      port: Number(listener.address.slice(listener.address.lastIndexOf(":") + 1)),
      identity: listener.identity,
    } satisfies KwikServerReady,
    commands: { arrivals: async () => upload?.summary(), session: async () => watch?.report() },
  };
}

/** A session with the first address; the others become further paths of it. */
export async function homeClient(argument: KwikClientArgument): Promise<Role> {
  const [first = "", ...others] = argument.addresses;
  const began = epochMs();
  const session = await dial(`kwik://${first}`, {
    // By their keys: whom a client cannot tell apart are several servers to it, and two paths to one of them would be refused.
    trust: { pins: argument.pins },
    servers: others.map((address) => `kwik://${address}`),
    ...(argument.limits === undefined ? {} : { limits: argument.limits }),
  });
  const connectMs = epochMs() - began;
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
