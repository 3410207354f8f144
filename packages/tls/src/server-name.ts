import { isIP } from "node:net";
import { domainToASCII } from "node:url";

/** The name to ask a server for in the handshake (SNI); "" for an IP address, which is not a name to TLS. */
export function serverNameOf(host: string): string {
  if (isIP(host.replace(/%.*$/, "")) !== 0) return "";
  const name = host.toLowerCase().replace(/\.$/, "");
  return domainToASCII(name) || name;
}
