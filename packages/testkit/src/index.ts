export { LinkBench, linkCases } from "./compliance/index.ts";
export type { LinkCase, LinkEnvironment, SuiteCapability } from "./compliance/index.ts";
export { memoryNetwork } from "./memory/index.ts";
export type { MemoryClock, MemoryConnection, MemoryNetwork, MemoryNetworkOptions, PipeShape } from "./memory/index.ts";
