export type { MemoryClock } from "./memory-clock.ts";
export { memoryNetwork } from "./memory-network.ts";
export type { MemoryConnection, MemoryNetwork, MemoryNetworkOptions } from "./memory-network.ts";
export type { PipeShape } from "./memory-pipe.ts";
