export { Gateway, type GatewayClient, type GatewayOptions } from "./gateway.ts";
export type { GatewayEvent, GatewayStats } from "./gateway-event.ts";
export { DEFAULT_GATEWAY_LIMITS, type GatewayLimits } from "./gateway-limits.ts";
export { type CheckedTarget, TargetChecks, type TargetHealth, type TargetStatus } from "./target-health.ts";
