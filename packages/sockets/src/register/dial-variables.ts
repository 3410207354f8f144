import { readFileSync } from "node:fs";
import { type DialOptions, KwikError, type TrustOptions } from "@kwik/core";

/**
 * How the gateways are dialled, from the environment: KWIK_CA (a PEM file), KWIK_PIN (identities, with commas between), KWIK_INSECURE=1, KWIK_TOKEN.
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
  return { trust, ...(token === "" ? {} : { credentials: { token } }) };
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
