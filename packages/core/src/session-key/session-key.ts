type Bytes = Uint8Array<ArrayBuffer>;

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const signing = { name: "ECDSA", hash: "SHA-256" } as const;

/**
 * The key pair that a client makes for each session and signs every join with (ECDSA P-256, SHA-256). The private half cannot be
 * exported and lives as long as this object. spec: SESS-4
 */
export class SessionKey {
  /** SPKI, DER: 91 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: CryptoKey;

  private constructor(publicKey: Uint8Array, privateKey: CryptoKey) {
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  static async create(): Promise<SessionKey> {
    const pair = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
    return new SessionKey(publicKey, pair.privateKey);
  }

  /** 64 bytes, r and s. */
  async sign(data: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.sign(signing, this.#privateKey, owned(data)));
  }
}

/** Whether `signature` over `data` was made with the key. False for anything that is not a P-256 key or a signature; never rejects. */
export async function verifySignature(publicKeySpki: Uint8Array, data: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (!isSessionPublicKey(publicKeySpki) || signature.length !== 64) return false;
  try {
    const key = await crypto.subtle.importKey("spki", owned(publicKeySpki), algorithm, false, ["verify"]);
    return await crypto.subtle.verify(signing, key, owned(signature), owned(data));
  } catch {
    return false;
  }
}

// SubjectPublicKeyInfo of an uncompressed point on the named curve P-256: everything before the point's two coordinates. Comparing
// it literally keeps out explicit curve parameters, compressed points and second encodings of the same key.
const spkiPrefix = [
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
  0x03, 0x42, 0x00, 0x04,
];

/** Whether bytes have the one form of a session's public key. Says nothing about the point being on the curve. */
export function isSessionPublicKey(spki: Uint8Array): boolean {
  return spki.length === spkiPrefix.length + 64 && spkiPrefix.every((byte, index) => spki[index] === byte);
}

// The bytes may view shared memory as far as the type knows; the crypto API wants them not to.
function owned(data: Uint8Array): Bytes {
  return data.buffer instanceof ArrayBuffer ? (data as Bytes) : new Uint8Array(data);
}
