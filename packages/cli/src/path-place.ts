import type { PathInfo } from "kwik";

/** Where a path leads, and through which relay if through one: for people. */
export function placeOf({ address, relay }: Pick<PathInfo, "address" | "relay">): string {
  return relay === undefined ? address : `${address} via ${relay}`;
}
