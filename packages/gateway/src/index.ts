export { Gateway, type GatewayClient, type GatewayOptions } from "./gateway.ts";
export type { GatewayEvent, GatewayStats } from "./gateway-event.ts";
export { DEFAULT_GATEWAY_LIMITS, type GatewayLimits } from "./gateway-limits.ts";
export { Relay, type RelayServerOptions } from "./relay/relay.ts";
export type { RelayClientStats, RelayEvent, RelayStats } from "./relay/relay-event.ts";
export { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./relay/relay-limits.ts";
export { type CheckedTarget, TargetChecks, type TargetHealth, type TargetStatus } from "./target-health.ts";
