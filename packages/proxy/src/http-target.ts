import type { TcpTarget } from "@kwik/tunnel";

/** Where a request for http:// leads, and what the target is asked. */
export interface HttpTarget {
  readonly target: TcpTarget;
  /** For the Host header. */
  readonly host: string;
  /** In origin form: what the client wrote, not what a URL parser makes of it. */
  readonly path: string;
}

/** Reads the absolute form (RFC 9112, 3.2.2); undefined for everything else. */
export function parseAbsoluteForm(method: string, text: string): HttpTarget | undefined {
  const match = /^http:\/\/([^/?#]+)([^#]*)$/i.exec(text);
  if (match === null) return undefined;
  const [, authority = "", rest = ""] = match;
  if (!URL.canParse(`http://${authority}`)) return undefined;
  const { hostname, host, port } = new URL(`http://${authority}`);
  if (hostname === "") return undefined;
  // RFC 9112, 3.2.4
  const path = rest === "" && method === "OPTIONS" ? "*" : rest.startsWith("/") ? rest : `/${rest}`;
  return { target: { kind: "tcp", host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) }, host, path };
}

/** HOST:PORT, IPv6 in brackets; what CONNECT asks for. */
export function parseAuthority(text: string): TcpTarget | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9A-Za-z._-]{1,255})):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { kind: "tcp", host, port };
}
