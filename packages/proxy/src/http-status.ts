import type { FailureName } from "./failure-name.ts";

/** What a client of the HTTP proxy is told of a failure. */
export function httpStatusOf(failure: FailureName): number {
  switch (failure) {
    case "not-allowed":
      return 403;
    case "bad-request":
      return 400;
    case "timed-out":
      return 504;
    case "limit":
    case "draining":
    case "no-gateway":
      return 503;
    case "auth":
      return 407;
    default:
      return 502;
  }
}
