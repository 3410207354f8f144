import { KwikError } from "@kwik/core";
import type { SessionPolicy } from "@kwik/transport-webtransport";

export interface WebTransportOptions {
  /** Where sessions are opened, without query. Default "/kwik". */
  readonly path?: string;
  /** Whether pages of this origin ("https://host:port") may open sessions. Default: pages from the host that they connect to. */
  readonly allowOrigin?: (origin: string) => boolean;
}

const DEFAULT_PATH = "/kwik";

/** Throws INVALID_ARGUMENT for a path that no browser would send. */
export function sessionPolicy(options: WebTransportOptions | undefined): SessionPolicy | undefined {
  if (options === undefined) return undefined;
  const path = options.path ?? DEFAULT_PATH;
  if (!/^\/[!-~]*$/.test(path) || new URL(`https://host${path}`).pathname !== path) {
    throw new KwikError("INVALID_ARGUMENT", `"${path.slice(0, 100)}" is not a path; write it like "${DEFAULT_PATH}", without query`);
  }
  return { path, allowOrigin: options.allowOrigin };
}
