import { closingCases } from "./closing-cases.ts";
import { datagramCases } from "./datagram-cases.ts";
import { dialCases } from "./dial-cases.ts";
import type { LinkCase } from "./link-case.ts";
import { transferCases } from "./transfer-cases.ts";
import { resetCases } from "./reset-cases.ts";

/** What every transport must do behind the Link port. Independent of any test runner. */
export const linkCases: readonly LinkCase[] = [...transferCases, ...resetCases, ...closingCases, ...datagramCases, ...dialCases];
