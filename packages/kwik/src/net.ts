export { isIP, isIPv4, isIPv6 } from "node:net";
import { type KwikNet, netOver } from "@kwik/sockets";
import { dial } from "./dial.ts";
import { listen } from "./listen.ts";

const net: KwikNet = netOver({ dial, listen });

/** As `net.connect` and `net.createConnection`: a new socket that is connecting. */
export const connect: KwikNet["connect"] = net.connect;
export const createConnection: KwikNet["connect"] = net.connect;
/** As `net.createServer`: a server that does not listen yet. */
export const createServer: KwikNet["createServer"] = net.createServer;
/** As `net.Server`. */
export const Server: KwikNet["Server"] = net.Server;
/** As `net.Socket`: a socket that is not connected yet. */
export const Socket: KwikNet["Socket"] = net.Socket;
export {
  CLOSE_GRACE_MS,
  type ConnectArguments,
  type ConnectOptions,
  IDLE_SESSION_MS,
  type KwikServer,
  type KwikSocket,
  type KwikSocketOptions,
  type ListenArguments,
  type ServerArguments,
  type ServerListenOptions,
  type ServerOptions,
} from "@kwik/sockets";
