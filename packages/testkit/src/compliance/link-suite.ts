import type { LinkBench, SuiteCapability } from "./link-environment.ts";
import { closingCases } from "./closing-cases.ts";
import { datagramCases } from "./datagram-cases.ts";
import { dialCases } from "./dial-cases.ts";
import { transferCases } from "./transfer-cases.ts";
import { resetCases } from "./reset-cases.ts";

/** One expectation of the Link port. `run` throws if it is not met; the bench is fresh, and closed by the caller afterwards. */
export interface LinkCase {
  readonly name: string;
  readonly needs?: readonly SuiteCapability[];
  run(bench: LinkBench): Promise<void>;
}

/** What every transport must do behind the Link port. Independent of any test runner. */
export const linkCases: readonly LinkCase[] = [...transferCases, ...resetCases, ...closingCases, ...datagramCases, ...dialCases];
