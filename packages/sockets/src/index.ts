export { type HttpRoute, KwikAgent, KwikHttpsAgent } from "./http/agents.ts";
export {
  undiciConnectorOver,
  type UndiciCallback,
  type UndiciConnector,
  type UndiciOptions,
  type UndiciTarget,
} from "./http/undici-connector.ts";
export { netOver, type KwikNet, type ServerArguments, type SocketEnvironment } from "./net/net-over.ts";
export type { ConnectArguments, ConnectListener, ConnectOptions } from "./net/connect-arguments.ts";
export { CLOSE_GRACE_MS, KwikServer, type ServerOptions } from "./net/kwik-server.ts";
export type { ListenArguments, ServerListenOptions } from "./net/listen-arguments.ts";
export { KwikSocket } from "./net/kwik-socket.ts";
export type { KwikSocketOptions } from "./net/socket-options.ts";
export { IDLE_SESSION_MS } from "./net/session-pool.ts";
export { dialOptionsFrom } from "./register/dial-variables.ts";
export { routeConnections } from "./register/route-connections.ts";
export { MAX_ROUTE_RULES, parseRouteRules, type RouteRule } from "./register/route-rules.ts";
