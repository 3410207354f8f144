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
  /** A server that does not listen yet; made by `new`. */
  readonly Server: new (
    ...args: ServerArguments
  ) => KwikServer;
  /** The same, as a function. */
  readonly createServer: (...args: ServerArguments) => KwikServer;
}

export type ServerArguments =
  | [options: ServerOptions, onConnection?: (socket: KwikSocket) => void]
  | [onConnection?: (socket: KwikSocket) => void];

/** All sockets of one such object share sessions. */
export function netOver({ dial, listen }: SocketEnvironment): KwikNet {
  const connector = connectorOver(new SessionPool(dial));
  class Socket extends KwikSocket {
    constructor(options?: KwikSocketOptions) {
      super(connector, options);
    }
  }
  class Server extends KwikServer {
    constructor(...[first, second]: ServerArguments) {
      super(listen, (options) => new Socket(options), typeof first === "function" ? {} : (first ?? {}));
      const onConnection = typeof first === "function" ? first : second;
      if (onConnection !== undefined) this.on("connection", onConnection);
    }
  }
  return {
    Socket,
    Server,
    connect: (...args) => new Socket(readConnectArguments(args).options).connect(...args),
    createServer: (...args) => new Server(...args),
  };
}
