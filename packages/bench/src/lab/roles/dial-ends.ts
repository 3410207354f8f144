import { dial, type ListenOptions, listen, type Stream, type TransportName } from "kwik";
import type { Role } from "../../process/role.ts";
import { readyOf, serveAll } from "./kwik-ends.ts";

/** One dial that is to be timed. */
export interface TimedDial {
  readonly address: string;
  readonly transport: TransportName;
  readonly early: boolean;
}

/** Answers one byte to the first of each stream. */
export async function dialServer(argument: Pick<ListenOptions, "validateAddresses">): Promise<Role> {
  const listener = await listen("0.0.0.0:0", { tls: "self-signed", ...argument });
  void serveAll(listener, async (session) => {
    for await (const stream of session.incomingStreams()) void answer(stream).catch(() => undefined);
  });
  return { ready: readyOf(listener), commands: {} };
}

/** Milliseconds from the beginning of a dial to the first byte of an answer, over a new connection each time. */
export async function dialClient(): Promise<Role> {
  return { ready: true, commands: { dial: timed } };
}

async function timed({ address, transport, early }: TimedDial): Promise<number> {
  const start = performance.now();
  // Without a certificate to verify by: to ask for it first, as clients that trust by pin do over QUIC, would be a connection more.
  const session = await dial(`kwik://${address}`, { transport, early, trust: { dangerouslyTrustAnyServer: true } });
  const stream = session.openStream();
  void stream.write(Uint8Array.of(1));
  if ((await stream.read()) === null) throw new Error("no answer came");
  const took = performance.now() - start;
  await session.close();
  return took;
}

async function answer(stream: Stream): Promise<void> {
  if ((await stream.read()) !== null) await stream.write(Uint8Array.of(1));
  await stream.close();
}
