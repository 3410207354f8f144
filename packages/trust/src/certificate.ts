import { createHash, generateKeyPair, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import { KwikError, PRIVATE_NAME_SUFFIX } from "@kwik/core";
import { der } from "./der.ts";

/** Who signs a certificate. */
export interface CertificateIssuer {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  /** DNS names and IP addresses that it speaks for. */
  readonly names: readonly string[];
  readonly isAuthority: boolean;
  /** For clients only: it cannot be a server's. Default false. */
  readonly isClient?: boolean;
  readonly validDays: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const dayMs = 86_400_000;
/** Certificates begin this much in the past, for clients whose clock is behind. */
const backdateMs = 3_600_000;
const ecdsaWithSha256 = der.sequence(der.oid("1.2.840.10045.4.3.2"));

/** A new ECDSA P-256 key pair: what every TLS 1.3 stack knows. */
export function newServerKey(): Promise<KeyPair> {
  return promisify(generateKeyPair)("ec", { namedCurve: "prime256v1" });
}

/** PKCS #8 in PEM. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" });
}

/** Signs an X.509 version 3 certificate, PEM. Throws INVALID_ARGUMENT for names or days that make no sense. */
export function signCertificate(request: CertificateRequest, issuer: CertificateIssuer): string {
  if (!(request.validDays > 0 && request.validDays <= 36_500)) {
    throw new KwikError("INVALID_ARGUMENT", `a certificate cannot be valid for ${request.validDays} days; give 1 to 36500`);
  }
  const certified = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(positiveSerial()),
    ecdsaWithSha256,
    distinguishedName(issuer.commonName),
    der.sequence(der.time(request.nowMs - backdateMs), der.time(request.nowMs + request.validDays * dayMs)),
    distinguishedName(request.commonName),
    spkiOf(request.publicKey),
    der.explicit(3, der.sequence(...extensionsOf(request, issuer))),
  );
  const signature = sign("sha256", certified, issuer.privateKey);
  return toPem("CERTIFICATE", der.sequence(certified, ecdsaWithSha256, der.bitString(signature)));
}

/** One PEM block with lines of 64. */
export function toPem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/**
 * A host as it goes into a certificate: lower case, no final dot. Throws INVALID_ARGUMENT for what is neither an IP address nor a DNS
 * name (a wildcard may be its first label), and for private names, which only their keys' own certificates carry.
 */
export function parseCertificateHost(text: string): string {
  const host = text.trim().toLowerCase().replace(/\.$/, "");
  if (isIP(host) !== 0) return host;
  if (
    host.length > 253 ||
    !/^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(host)
  ) {
    throw new KwikError("INVALID_ARGUMENT", `"${text}" is neither a host name nor an IP address; give it without port, brackets or scheme`);
  }
  if (host === PRIVATE_NAME_SUFFIX || host.endsWith(`.${PRIVATE_NAME_SUFFIX}`)) {
    throw new KwikError("INVALID_ARGUMENT", `${host} is a private name; each server's own is added to its certificate without asking`);
  }
  return host;
}

function extensionsOf(request: CertificateRequest, issuer: CertificateIssuer): Uint8Array[] {
  const isSelfSigned = request.publicKey.equals(issuer.publicKey);
  const extensions = [
    extension("2.5.29.19", true, request.isAuthority ? der.sequence(der.boolean(true), der.integer(Uint8Array.of(0))) : der.sequence()),
    extension("2.5.29.14", false, der.octetString(keyIdentifier(request.publicKey))),
    extension("2.5.29.35", false, der.sequence(der.implicit(0, keyIdentifier(issuer.publicKey)))),
  ];
  // keyCertSign and cRLSign, or digitalSignature. A server's self-signed certificate goes without: BoringSSL takes no certificate for
  // its own issuer whose key usage lacks keyCertSign, and only authorities may have that.
  if (request.isAuthority) extensions.push(extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x06), 1)));
  else if (!isSelfSigned) extensions.push(extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x80), 7)));
  // serverAuth and clientAuth: a server of a cluster is a client of its siblings, and BoringSSL takes no client certificate without the latter.
  const [serverAuth, clientAuth] = [der.oid("1.3.6.1.5.5.7.3.1"), der.oid("1.3.6.1.5.5.7.3.2")];
  const usages = request.isClient === true ? der.sequence(clientAuth) : der.sequence(serverAuth, clientAuth);
  if (!request.isAuthority) extensions.push(extension("2.5.29.37", false, usages));
  if (request.names.length > 0)
    extensions.push(extension("2.5.29.17", false, der.sequence(...[...new Set(request.names)].map(alternativeName))));
  return extensions;
}

function extension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), ...(isCritical ? [der.boolean(true)] : []), der.octetString(value));
}

function alternativeName(host: string): Uint8Array {
  return isIP(host) === 0 ? der.implicit(2, new TextEncoder().encode(host)) : der.implicit(7, ipBytes(host));
}

function distinguishedName(commonName: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.oid("2.5.4.3"), der.utf8String(commonName))));
}

function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ type: "spki", format: "der" });
}

function keyIdentifier(key: KeyObject): Uint8Array {
  return createHash("sha256").update(spkiOf(key)).digest().subarray(0, 20);
}

function positiveSerial(): Uint8Array {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  return serial;
}

function ipBytes(ip: string): Uint8Array {
  if (isIP(ip) === 4) return Uint8Array.from(ip.split("."), Number);
  // The URL parser writes an IPv6 address in its shortest form, without dotted parts.
  const [head = "", tail] = new URL(`http://[${ip.replace(/%.*$/, "")}]/`).hostname.slice(1, -1).split("::");
  const groups = (text: string): number[] => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}
