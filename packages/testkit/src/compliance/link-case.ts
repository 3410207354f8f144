import type { LinkBench, SuiteCapability } from "./link-environment.ts";

/** One expectation of the Link port. `run` throws if it is not met; the bench is fresh, and closed by the caller afterwards. */
export interface LinkCase {
  readonly name: string;
  readonly needs?: readonly SuiteCapability[];
  run(bench: LinkBench): Promise<void>;
}
