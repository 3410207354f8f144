import { DEFAULT_LIMITS, type Limits, schedulerFactory } from "@kwik/proto";
import { parseTransportName } from "../transport/address.ts";
import { checkOptions, type OptionKind, type OptionKinds, refusal } from "./option-shape.ts";
import type { DialOptions } from "./options.ts";

const LIMITS = countKinds(DEFAULT_LIMITS) as Record<keyof Limits, OptionKind>;

const DIAL: Record<keyof DialOptions, OptionKinds> = {
  early: "boolean",
  signal: "object",
  trust: { ca: "string", pins: "list", certificates: "list", revoked: "string", dangerouslyTrustAnyServer: "boolean" },
  credentials: { token: "string", cert: "string", key: "string" },
  servers: "list",
  relays: "list",
  pathPolicy: { maxPaths: "count", allow: "function", allowPrivateAddresses: "boolean" },
  transport: "string",
  scheduler: ["string", "function"],
  limits: LIMITS,
};

/** Throws INVALID_ARGUMENT, with the name of the option and what it may be, for options of `dial` that are unknown, or of a wrong type or size. */
export function checkDialOptions(options: DialOptions): void {
  checkOptions("dial", options, DIAL);
  checkCommon("dial", options);
  const { transport } = options;
  if (transport !== undefined && parseTransportName(transport) === undefined)
    throw refusal("dial", `transport is the name of one, or left out, not ${JSON.stringify(transport)}`);
}

/** What options of `dial` and `listen` have in common. */
export function checkCommon(owner: string, { limits, scheduler }: Pick<DialOptions, "limits" | "scheduler">): void {
  const share = limits?.maxDuplicateShare ?? 0;
  if (share > 1) throw refusal(owner, `limits.maxDuplicateShare is a share from 0 to 1, not ${share}`);
  try {
    schedulerFactory(scheduler);
  } catch (error) {
    throw refusal(owner, error instanceof Error ? error.message : String(error));
  }
}

/** Limits are numbers, whatever their names. */
export function countKinds(limits: object): Record<string, OptionKind> {
  return Object.fromEntries(Object.keys(limits).map((name) => [name, "count"]));
}
