import { KwikError } from "@kwik/core";
import { DerReader, DerTag } from "./der-reader.ts";

/** What matters here of a server's certificate. */
export interface ServerCertificate {
  /** SHA-256 of the certificate, by which a browser is told to accept it. */
  readonly hash: Uint8Array<ArrayBuffer>;
  /** "sha256:<hex of SPKI>" of its key. */
  readonly identity: string;
  /** Milliseconds since 1970, to the second. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Whether its key is one of an elliptic curve for ECDSA: P-256, for instance. */
  readonly isEcdsa: boolean;
}

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;
/** id-ecPublicKey, 1.2.840.10045.2.1 */
const ECDSA_OID = "2a8648ce3d0201";

/** Reads a certificate in PEM; of a chain, the first. Rejects with INVALID_ARGUMENT for anything else. Does not verify signatures. */
export async function readServerCertificate(pem: string): Promise<ServerCertificate> {
  try {
    const bytes = Uint8Array.from(atob((PEM.exec(pem)?.[1] ?? "").replace(/\s/g, "")), (char) => char.charCodeAt(0));
    const { spki, ...rest } = fieldsOf(bytes);
    const [hash, keyHash] = await Promise.all([sha256(bytes), sha256(spki)]);
    return { hash, identity: `sha256:${hexOf(keyHash)}`, ...rest };
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", "trust.certificates holds what is no certificate; give the text of the server's PEM file", {
      cause,
    });
  }
}

/** RFC 5280, section 4.1. */
function fieldsOf(certificate: Uint8Array): { spki: Uint8Array; notBeforeMs: number; notAfterMs: number; isEcdsa: boolean } {
  const outer = new DerReader(certificate);
  const parts = new DerReader(outer.next(DerTag.sequence).content);
  if (!outer.isAtEnd) throw new RangeError("there are bytes behind the certificate");
  const fields = new DerReader(parts.next(DerTag.sequence).content);
  if (fields.nextTag === DerTag.version) fields.next();
  fields.next(); // serial number
  fields.next(DerTag.sequence); // signature algorithm
  fields.next(DerTag.sequence); // issuer
  const validity = new DerReader(fields.next(DerTag.sequence).content);
  const notBeforeMs = timeOf(validity);
  const notAfterMs = timeOf(validity);
  fields.next(DerTag.sequence); // subject
  const key = fields.next(DerTag.sequence);
  const keyParts = new DerReader(key.content);
  const algorithm = new DerReader(keyParts.next(DerTag.sequence).content).next(DerTag.oid);
  keyParts.next(DerTag.bitString);
  return { spki: key.whole, notBeforeMs, notAfterMs, isEcdsa: hexOf(algorithm.content) === ECDSA_OID };
}

/** UTCTime, whose years are those from 1950 to 2049, or GeneralizedTime; in UTC and with seconds, as certificates have them. */
function timeOf(reader: DerReader): number {
  const { tag, content } = reader.next();
  const text = String.fromCharCode(...content);
  const match = (tag === DerTag.utcTime ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
  if (match === null || (tag !== DerTag.utcTime && tag !== DerTag.generalizedTime)) throw new RangeError("a time cannot be read");
  const [, digits = "", rest = ""] = match;
  const year = digits.length === 4 ? Number(digits) : Number(digits) + (Number(digits) < 50 ? 2000 : 1900);
  const [month = 0, day, hour, minute, second] = (rest.match(/\d\d/g) ?? []).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
