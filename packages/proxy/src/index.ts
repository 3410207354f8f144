export { type Forward, parseBind, parseForward } from "./forward.ts";
export { type Bind, describeBind } from "./local-listener.ts";
export { LocalProxy, type ProxyOptions } from "./local-proxy.ts";
export type { ListenerKind, ProxyEvent, ProxyStats } from "./proxy-event.ts";
export { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./proxy-limits.ts";
export { requestThrough } from "./request-through.ts";
