import { isKwikError } from "@kwik/core";
import { TunnelRefusedError, type TunnelRefusal } from "@kwik/tunnel";

/** Why a local client gets no connection: what a gateway said, or what happened before one could. */
export type FailureName = TunnelRefusal | "no-gateway" | "auth" | "client-gone";

export function failureName(error: unknown): FailureName {
  if (error instanceof TunnelRefusedError) return error.refusal;
  if (!isKwikError(error)) return "failed";
  if (error.code === "TIMEOUT") return "timed-out";
  if (error.code === "ABORTED") return "client-gone";
  return error.code === "INVALID_ARGUMENT" ? "bad-request" : "no-gateway";
}
