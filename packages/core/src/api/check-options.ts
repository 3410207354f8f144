import { DEFAULT_LIMITS, type Limits, schedulerFactory } from "@kwik/proto";
import { parseTransportName } from "../transport/address.ts";
import { checkOptions, type OptionKind, type OptionKinds, refusal } from "./option-shape.ts";
import type { DialOptions, ListenOptions } from "./options.ts";

const LIMITS = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, "count"])) as Record<keyof Limits, OptionKind>;

const DIAL: Record<keyof DialOptions, OptionKinds> = {
  early: "boolean",
  signal: "object",
  trust: { ca: "string", pins: "list", certificates: "list", dangerouslyTrustAnyServer: "boolean" },
  credentials: { token: "string", cert: "string", key: "string" },
  servers: "list",
  relays: "list",
  pathPolicy: { maxPaths: "count", allow: "function", allowPrivateAddresses: "boolean" },
  transport: "string",
  scheduler: ["string", "function"],
  limits: LIMITS,
};

const LISTEN: Record<keyof ListenOptions | "onNotice", OptionKinds> = {
  // What `makeSelfSigned` of @kwik/trust gives may be given whole.
  tls: ["string", { cert: "string", key: "string", identity: "string" }],
  // The file of `kwik cluster issue`, which may be given whole, has the authority's certificate too.
  cluster: { ticketSigningKey: "string", ticketVerifyKeys: "list", ticketLifetimeMs: "count", ca: "string" },
  authenticate: "function",
  content: "object",
  web: ["boolean", { path: "string", allowOrigin: "function" }],
  validateAddresses: "boolean",
  scheduler: ["string", "function"],
  limits: LIMITS,
  onNotice: "function",
};

/** Throws INVALID_ARGUMENT, with the name of the option and what it may be, for options of `dial` that are unknown, or of a wrong type or size. */
export function checkDialOptions(options: DialOptions): void {
  checkOptions("dial", options, DIAL);
  checkCommon("dial", options);
  const { transport } = options;
  if (transport !== undefined && parseTransportName(transport) === undefined)
    throw refusal("dial", `transport is the name of one, or left out, not ${JSON.stringify(transport)}`);
}

/** The same for options of `listen`, of every runtime. */
export function checkListenOptions(options: ListenOptions): void {
  checkOptions("listen", options, LISTEN);
  checkCommon("listen", options);
  // Somebody without types may have left it out.
  const tls = options.tls as unknown;
  if (tls === undefined || (typeof tls === "string" && tls !== "self-signed"))
    throw refusal("listen", 'tls is { cert, key } in PEM, or "self-signed"');
}

function checkCommon(owner: string, { limits, scheduler }: Pick<DialOptions, "limits" | "scheduler">): void {
  const share = limits?.maxDuplicateShare ?? 0;
  if (share > 1) throw refusal(owner, `limits.maxDuplicateShare is a share from 0 to 1, not ${share}`);
  try {
    schedulerFactory(scheduler);
  } catch (error) {
    throw refusal(owner, error instanceof Error ? error.message : String(error));
  }
}
