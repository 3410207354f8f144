import { KwikError } from "@kwik/core";
import { DEFAULT_PATH } from "./limits.ts";

/** A path that means the same in a URL and in a request line. */
export function checkedPath(path: string = DEFAULT_PATH): string {
  if (/^\/[!-~]*$/.test(path) && new URL(`https://host${path}`).pathname === path) return path;
  throw new KwikError(
    "INVALID_ARGUMENT",
    `"${path.slice(0, 100)}" is not a path; write it like "${DEFAULT_PATH}", without query or fragment`,
  );
}
