import { DEFAULT_LIMITS } from "@kwik/proto";
import { checkCommon, countKinds } from "./check-dial-options.ts";
import { DEFAULT_LISTENER_LIMITS, type ListenLimits } from "./listener-limits.ts";
import { checkOptions, type OptionKind, type OptionKinds, refusal } from "./option-shape.ts";
import type { ListenOptions } from "./options.ts";

const LIMITS = countKinds({ ...DEFAULT_LIMITS, ...DEFAULT_LISTENER_LIMITS }) as Record<keyof ListenLimits, OptionKind>;

const LISTEN: Record<keyof ListenOptions | "onNotice", OptionKinds> = {
  // What `makeSelfSigned` of @kwik/trust gives may be given whole.
  tls: ["string", { cert: "string", key: "string", identity: "string" }],
  cluster: { ticketSigningKey: "string", ticketVerifyKeys: "list", ticketLifetimeMs: "count", ca: "string", revoked: "string" },
  authenticate: "function",
  authorizeStream: "function",
  clientCa: "string",
  proxies: "list",
  redirect: "function",
  content: "object",
  web: ["boolean", { path: "string", allowOrigin: "function" }],
  validateAddresses: "boolean",
  scheduler: ["string", "function"],
  limits: LIMITS,
  onNotice: "function",
};

/** Throws INVALID_ARGUMENT, with the name of the option and what it may be, for options of `listen`, of every runtime, that are unknown, or of a wrong type or size. */
export function checkListenOptions(options: ListenOptions): void {
  checkOptions("listen", options, LISTEN);
  checkCommon("listen", options);
  // Somebody without types may have left it out.
  const tls = options.tls as unknown;
  if (tls === undefined || (typeof tls === "string" && tls !== "self-signed"))
    throw refusal("listen", 'tls is { cert, key } in PEM, or "self-signed"');
}
