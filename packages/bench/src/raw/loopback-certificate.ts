import { createSign, generateKeyPairSync } from "node:crypto";

/** How long the certificate is valid, in milliseconds. */
const LIFE_MS = 24 * 60 * 60 * 1000;

/**
 * A certificate and key that nobody checks, made for one run: the bare engine does not serve without them.
 * Just enough of X.509 (RFC 5280): a serial number, ECDSA with SHA-256, one name.
 */
export function loopbackCertificate(): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(0x30, objectId(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const name = der(0x30, der(0x31, der(0x30, objectId(0x55, 0x04, 0x03), der(0x0c, Buffer.from("localhost")))));
  const now = Date.now();
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    algorithm,
    name,
    der(0x30, utcTime(now - LIFE_MS), utcTime(now + LIFE_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    // Chromium takes no certificate without extensions: the name once more.
    der(0xa3, der(0x30, der(0x30, objectId(0x55, 0x1d, 0x11), der(0x04, der(0x30, der(0x82, Buffer.from("localhost"))))))),
  );
  const signature = createSign("sha256").update(body).sign(privateKey);
  const certificate = der(0x30, body, algorithm, der(0x03, Buffer.of(0), signature));
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

function objectId(...bytes: number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function utcTime(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${text}Z`));
}

/** One element: tag, length, content. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
