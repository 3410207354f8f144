import { connect, createServer, type Socket } from "node:net";
import type { Role } from "../../process/role.ts";
import { type ArrivalLog, epochMs } from "../process/arrival-log.ts";
import type { TransferRequest } from "../process/lab-role.ts";
import { type LabStream, runTransfer, serveTransfer } from "../process/lab-stream.ts";

/** The same program serves TCP and, under `mptcpize run`, Multipath TCP. */
export async function tcpServer(argument: { readonly port: number }): Promise<Role> {
  let upload: ArrivalLog | undefined;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    serveTransfer(streamOf(socket), (log) => (upload = log)).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(argument.port, "0.0.0.0", resolve));
  return { ready: true, commands: { arrivals: async () => upload?.summary() } };
}

/** Connects once, for one transfer. */
export async function tcpClient(argument: { readonly host: string; readonly port: number }): Promise<Role> {
  const began = epochMs();
  const socket = connect({ host: argument.host, port: argument.port, noDelay: true, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let log: ArrivalLog | undefined;
  return {
    ready: { connectMs: epochMs() - began },
    commands: {
      transfer: ({ direction, bytes }: TransferRequest) => runTransfer(streamOf(socket), direction, bytes, (one) => (log = one)),
      arrivals: async () => log?.summary(),
    },
  };
}

function streamOf(socket: Socket): LabStream {
  const pieces: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return {
    read: async () => {
      const next = await pieces.next();
      return next.done === true ? null : next.value;
    },
    write: (data) =>
      new Promise((resolve, reject) => {
        const failed = (error?: Error | null): void => reject(error ?? new Error("the connection ended"));
        if (socket.destroyed) failed();
        else if (socket.write(data, (error) => error && failed(error))) resolve();
        else {
          const settle = (): void => {
            socket.off("drain", settle);
            socket.off("close", closed);
            resolve();
          };
          const closed = (): void => {
            socket.off("drain", settle);
            failed();
          };
          socket.once("drain", settle);
          socket.once("close", closed);
        }
      }),
    close: async () => void socket.end(),
  };
}
