import { isIP } from "node:net";
import { KwikError } from "@kwik/core";
import type { TunnelAddress } from "@kwik/tunnel";

/** A target of clients that is an HTTP origin, and where it is from here. */
export interface OriginRule {
  /** What clients ask for: the same name at each gateway that has a replica of it. */
  readonly target: TunnelAddress;
  readonly isTls: boolean;
  /** Where this gateway's replica is. */
  readonly place: TunnelAddress;
}

/** Reads `HOST:PORT=http://HOST[:PORT]` or `…=https://HOST[:PORT]`. Throws INVALID_ARGUMENT. */
export function parseOriginRule(text: string): OriginRule {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9A-Za-z._-]{1,255})):(\d{1,5})=(\S+)$/.exec(text.trim());
  const port = Number(match?.[3]);
  const url = URL.canParse(match?.[4] ?? "") ? new URL(match?.[4] as string) : undefined;
  const isTls = url?.protocol === "https:";
  if (match === null || port < 1 || port > 65_535 || url === undefined || !(isTls || url.protocol === "http:"))
    throw wrong(text, "write HOST:PORT=http://HOST:PORT, or https://");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "")
    throw wrong(text, "an origin has no path, query or user");
  const host = (match[1] ?? match[2] ?? "").toLowerCase();
  const place = { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port) };
  return { target: { host, port }, isTls, place };
}

/** How a target is named in lists and content ids: `host:port`, lower case, IPv6 in brackets. */
export function targetKey({ host, port }: TunnelAddress): string {
  const name = host.toLowerCase().replace(/(?<=[a-z0-9])\.$/, "");
  return `${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}

function wrong(text: string, advice: string): KwikError {
  return new KwikError("INVALID_ARGUMENT", `"${text.slice(0, 200)}" is no origin: ${advice}`);
}
