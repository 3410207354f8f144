export { LinkBench } from "./link-environment.ts";
export type { LinkEnvironment, SuiteCapability } from "./link-environment.ts";
export { linkCases } from "./link-suite.ts";
export type { LinkCase } from "./link-case.ts";
