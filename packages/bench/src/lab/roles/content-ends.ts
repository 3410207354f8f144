import { fileStore, listen, type ServerSession } from "kwik";
import type { Role } from "../../process/role.ts";
import { ArrivalLog, epochMs } from "../process/arrival-log.ts";
import type { KwikClientArgument, TransferRequest } from "../process/lab-role.ts";
import type { TransferOutcome } from "../process/lab-stream.ts";
import { dialAll, readyOf, serveAll } from "./kwik-ends.ts";
import { SessionWatch } from "./session-watch.ts";

/** One of several kwik servers that have the same files. */
export async function contentServer(argument: {
  readonly address: string;
  readonly directory: string;
  readonly file: string;
}): Promise<Role> {
  const store = fileStore(argument.directory);
  // Hashes the file now, which is none of the transfer's time.
  await (await store.open(argument.file))?.close?.();
  const listener = await listen(argument.address, { tls: "self-signed", content: store });
  const serve = async (session: ServerSession): Promise<void> => {
    for await (const stream of session.incomingStreams()) {
      void (async () => {
        while ((await stream.read()) !== null); // there is only one file
        const source = await store.open(argument.file);
        if (source === undefined) throw new Error("the file is gone");
        await stream.sendContent(source, { end: true });
        await source.close?.();
      })().catch(() => undefined);
    }
  };
  void serveAll(listener, serve);
  return {
    ready: readyOf(listener),
    commands: {},
  };
}

/** A session with the first server; the others join it, and every server gives what it can. */
export async function contentClient(argument: KwikClientArgument): Promise<Role> {
  const { session, connectMs } = await dialAll(argument);
  const watch = new SessionWatch(session);
  let log: ArrivalLog | undefined;
  return {
    ready: { connectMs },
    commands: {
      transfer: async ({ bytes }: TransferRequest): Promise<TransferOutcome> => {
        const startedAt = epochMs();
        log = new ArrivalLog(bytes);
        const stream = session.openStream();
        await stream.write(new TextEncoder().encode("the file, please"));
        stream.close().catch(() => undefined);
        for (let data = await stream.read(); data !== null; data = await stream.read()) log.push(data);
        const arrivals = log.summary();
        if (arrivals.bytes !== bytes) throw new Error(`${arrivals.bytes} of ${bytes} bytes came`);
        return { startedAt, endedAt: arrivals.lastAt, arrivals };
      },
      arrivals: async () => log?.summary(),
      session: async () => watch.report(),
    },
  };
}
