import { readFileSync } from "node:fs";
import { type DialOptions, KwikError, parseAddress, parseIdentity, type TrustOptions } from "@kwik/core";

/**
 * How the gateways are dialled, from the environment: KWIK_CA (a PEM file), KWIK_PIN (identities, with commas between), KWIK_INSECURE=1, KWIK_TOKEN, KWIK_RELAY (addresses
 * of relays, with commas between), KWIK_RELAY_TOKEN.
 * Throws INVALID_ARGUMENT that names the variable. KWIK_TRANSPORT is read by `dial` itself.
 */
export function dialOptionsFrom(variables: Readonly<Record<string, string | undefined>>): DialOptions {
  const { KWIK_CA: caFile = "", KWIK_PIN: pinList = "", KWIK_INSECURE: insecure = "", KWIK_TOKEN: token = "" } = variables;
  const trust: TrustOptions = {};
  const pins = pinList
    .split(",")
    .map((pin) => pin.trim().toLowerCase())
    .filter((pin) => pin !== "");
  for (const pin of pins) {
    if (!/^sha256:[0-9a-f]{64}$/.test(pin))
      throw new KwikError(
        "INVALID_ARGUMENT",
        `KWIK_PIN: "${pin}" is no identity; write sha256: and 64 hex digits, as the gateway prints them`,
      );
  }
  if (pins.length > 0) trust.pins = pins;
  if (caFile !== "") trust.ca = pemOf(caFile);
  if (insecure !== "" && insecure !== "0") {
    if (insecure !== "1") throw new KwikError("INVALID_ARGUMENT", `KWIK_INSECURE is 1 or 0, not "${insecure}"`);
    if (caFile !== "" || pins.length > 0)
      throw new KwikError(
        "INVALID_ARGUMENT",
        "KWIK_INSECURE believes everybody, so it cannot be used with KWIK_CA or KWIK_PIN; leave one of them out",
      );
    trust.dangerouslyTrustAnyServer = true;
  }
  const relays = relaysFrom(variables);
  return { trust, ...(token === "" ? {} : { credentials: { token } }), ...(relays === undefined ? {} : { relays }) };
}

function relaysFrom({
  KWIK_RELAY: list = "",
  KWIK_RELAY_TOKEN: token = "",
}: Readonly<Record<string, string | undefined>>): DialOptions["relays"] {
  const relays = list
    .split(",")
    .map((relay) => relay.trim())
    .filter((relay) => relay !== "");
  for (const relay of relays) checkRelay(relay);
  if (relays.length > 0) return relays.map((address) => (token === "" ? address : { address, credentials: { token } }));
  if (token !== "") throw new KwikError("INVALID_ARGUMENT", "KWIK_RELAY_TOKEN needs a relay; add KWIK_RELAY=kwik://host:port");
  return undefined;
}

/** What `dial` would find wrong as well, but with the first connection. */
function checkRelay(relay: string): void {
  const [address = "", pin] = relay.split("#", 2);
  try {
    parseAddress(address);
    if (pin !== undefined) parseIdentity(pin);
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", `KWIK_RELAY: ${KwikError.from(cause).message}`, { cause });
  }
}

function pemOf(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", `KWIK_CA: cannot read ${file}; check the path`, { cause });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new KwikError("INVALID_ARGUMENT", `KWIK_CA: ${file} is not a PEM file (it has no "-----BEGIN" line)`);
}
