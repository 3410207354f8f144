import { type ClientSession, dial, type Listener, type ServerSession } from "kwik";
import { epochMs } from "../process/arrival-log.ts";
import type { KwikClientArgument, KwikServerReady } from "../process/lab-role.ts";

/** What the client has to know of a server. */
export function readyOf(listener: Listener): KwikServerReady {
  return { port: Number(listener.address.slice(listener.address.lastIndexOf(":") + 1)), identity: listener.identity };
}

/** Gives each session to `serve`. One that fails ends, and the others go on. */
export async function serveAll(listener: Listener, serve: (session: ServerSession) => Promise<void>): Promise<void> {
  for await (const session of listener) void serve(session).catch(() => undefined);
}

/** A session with the first address; the others join it. Servers are told apart by their keys: without pins, two addresses of one are two to a client. */
export async function dialAll(argument: KwikClientArgument): Promise<{ readonly session: ClientSession; readonly connectMs: number }> {
  const [first = "", ...others] = argument.addresses;
  const began = epochMs();
  const session = await dial(`kwik+quic://${first}`, {
    trust: { pins: argument.pins },
    servers: others.map((address) => `kwik+quic://${address}`),
    ...(argument.limits === undefined ? {} : { limits: argument.limits }),
  });
  return { session, connectMs: epochMs() - began };
}
