import { KwikError } from "../api/errors.ts";
import type { WebOptions } from "../api/options.ts";

/** Where browsers ask for kwik, unless a server was told otherwise. */
export const DEFAULT_WEB_PATH = "/kwik";

/** Which requests over HTTP may become links, whatever transport answers them. */
export interface WebRules {
  readonly path: string;
  /** Whether a page may connect; `host` is what the request itself names, "example.com:4433". Not to be asked without an Origin. */
  allowsOrigin(origin: string, host: string | undefined): boolean;
}

/** Throws INVALID_ARGUMENT for a path that does not mean the same in a URL and in a request. */
export function webRules(options: WebOptions = {}): WebRules {
  return {
    path: checkedWebPath(options.path),
    allowsOrigin: (origin, host) => (options.allowOrigin === undefined ? isSameHost(origin, host) : isAllowed(options, origin)),
  };
}

/** The path, or the default one. Throws INVALID_ARGUMENT for what no client would send as it is written. */
export function checkedWebPath(path: string = DEFAULT_WEB_PATH): string {
  if (/^\/[!-~]*$/.test(path) && new URL(`https://host${path}`).pathname === path) return path;
  throw new KwikError(
    "INVALID_ARGUMENT",
    `"${path.slice(0, 100)}" is not a path; write it like "${DEFAULT_WEB_PATH}", without query or fragment`,
  );
}

/** The application decides about a text that anybody may have sent: what it throws says no, and so does what is no plain yes, a promise for instance. */
function isAllowed(options: WebOptions, origin: string): boolean {
  try {
    return options.allowOrigin?.(origin) === true;
  } catch {
    return false;
  }
}

/** Ports may differ: a page and a kwik server of one host cannot share a port. */
function isSameHost(origin: string, host: string | undefined): boolean {
  try {
    return new URL(origin).hostname === new URL(`https://${host ?? ""}`).hostname;
  } catch {
    return false; // "null", from a sandboxed page
  }
}
