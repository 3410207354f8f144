import { KwikError } from "../api/errors.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";

/** "host:port" or "host:port#sha256:…" as a client reads it. Throws INVALID_ARGUMENT for what none could dial. spec: DRAIN-1 */
export function replacementText(text: string): string {
  const at = text.indexOf("#");
  const address = formatAddress(parseAddress(at < 0 ? text : text.slice(0, at)));
  if (at < 0) return address;
  const identity = text.slice(at + 1);
  if (!/^sha256:[0-9a-f]{64}$/.test(identity))
    throw new KwikError("INVALID_ARGUMENT", `the key of a replacement reads sha256: and 64 hex digits, not ${JSON.stringify(identity)}`);
  return `${address}#${identity}`;
}
