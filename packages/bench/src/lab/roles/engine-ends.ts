import { connectRaw, listenRaw, type RawStream } from "@kwik/transport-quic/raw";
import type { Role } from "../../process/role.ts";
import { loopbackCertificate } from "../../raw/loopback-certificate.ts";
import { type ArrivalLog, epochMs } from "../process/arrival-log.ts";
import type { TransferRequest } from "../process/lab-role.ts";
import { type LabStream, runTransfer, serveTransfer } from "../process/lab-stream.ts";

/** A server of the bare engine; `ready` is its port on 127.0.0.1, which the client's route makes reachable. */
export async function engineServer(): Promise<Role> {
  let upload: ArrivalLog | undefined;
  const port = listenRaw(loopbackCertificate(), (connection) => {
    connection.onStream = (stream) => void serveTransfer(streamOf(stream), (log) => (upload = log)).catch(() => undefined);
  });
  return { ready: port, commands: { arrivals: async () => upload?.summary() } };
}

/** Connects once, for one transfer. */
export async function engineClient(argument: { readonly port: number }): Promise<Role> {
  const began = epochMs();
  const connection = await connectRaw(argument.port);
  let log: ArrivalLog | undefined;
  return {
    ready: { connectMs: epochMs() - began },
    commands: {
      transfer: ({ direction, bytes }: TransferRequest) =>
        runTransfer(streamOf(connection.openStream()), direction, bytes, (one) => (log = one)),
      arrivals: async () => log?.summary(),
    },
  };
}

function streamOf(stream: RawStream): LabStream {
  const pieces: Uint8Array[] = [];
  let hasEnded = false;
  let wake: (() => void) | undefined;
  let drained: (() => void) | undefined;
  stream.onData = (data) => {
    pieces.push(data);
    wake?.();
  };
  stream.onEnd = () => {
    hasEnded = true;
    wake?.();
  };
  stream.onDrain = () => drained?.();
  return {
    read: async () => {
      while (pieces.length === 0) {
        if (hasEnded) return null;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      return pieces.shift() ?? null;
    },
    write: (data) =>
      new Promise((resolve) => {
        // The pattern is shared and never changes, so the queue of the stream may keep it.
        stream.write(data);
        if (stream.isDrained) resolve();
        else drained = resolve;
      }),
    close: async () => stream.write(new Uint8Array(0), true),
  };
}
