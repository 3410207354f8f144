import { type ConnectArguments, readConnectArguments } from "./connect-arguments.ts";
import { connectorOver } from "./connector.ts";
import { KwikServer, type Listen, type ServerOptions } from "./kwik-server.ts";
import { KwikSocket } from "./kwik-socket.ts";
import type { KwikSocketOptions } from "./socket-options.ts";
import { type Dial, SessionPool } from "./session-pool.ts";

/** What a runtime's facade gives: how sessions come about. */
export interface SocketEnvironment {
  readonly dial: Dial;
  readonly listen: Listen;
}

/** The functions of `node:net` over kwik. */
export interface KwikNet {
  /** A socket that is not connected yet. */
  readonly Socket: new (
    options?: KwikSocketOptions,
  ) => KwikSocket;
  /** A new socket that is connecting. */
  readonly connect: (...args: ConnectArguments) => KwikSocket;
  /** A server that does not listen yet. */
  readonly createServer: CreateServer;
}

export interface CreateServer {
  (options: ServerOptions, onConnection?: (socket: KwikSocket) => void): KwikServer;
  (onConnection?: (socket: KwikSocket) => void): KwikServer;
}

/** All sockets of one such object share sessions. */
export function netOver({ dial, listen }: SocketEnvironment): KwikNet {
  const connector = connectorOver(new SessionPool(dial));
  class Socket extends KwikSocket {
    constructor(options?: KwikSocketOptions) {
      super(connector, options);
    }
  }
  return {
    Socket,
    connect: (...args) => new Socket(socketOptionsOf(readConnectArguments(args).options)).connect(...args),
    createServer: (first?: ServerOptions | ((made: KwikSocket) => void), second?: (made: KwikSocket) => void) => {
      const server = new KwikServer(listen, (options) => new Socket(options), typeof first === "function" ? {} : (first ?? {}));
      const onConnection = typeof first === "function" ? first : second;
      if (onConnection !== undefined) server.on("connection", onConnection);
      return server;
    },
  };
}

/** What a socket takes of the options of `connect`, which go on to other things as well. */
function socketOptionsOf(options: KwikSocketOptions): KwikSocketOptions {
  const { allowHalfOpen, highWaterMark, signal } = options;
  return {
    ...(allowHalfOpen === undefined ? {} : { allowHalfOpen }),
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    ...(signal === undefined ? {} : { signal }),
  };
}
