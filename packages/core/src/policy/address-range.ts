import { KwikError } from "../api/errors.ts";
import { type IpBytes, parseIp } from "./ip-address.ts";

/** A range of IP addresses, "10.0.0.0/8", or one of them. */
export class AddressRange {
  readonly #bytes: IpBytes;
  readonly #bits: number;

  private constructor(bytes: IpBytes, bits: number) {
    this.#bytes = bytes;
    this.#bits = bits;
  }

  /** Throws INVALID_ARGUMENT for what is no range. */
  static parse(text: string): AddressRange {
    const [address = "", bits, ...rest] = text.trim().split("/");
    const bytes = parseIp(address);
    const count = bits === undefined ? (bytes?.length ?? 0) * 8 : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (bytes !== undefined && rest.length === 0 && count <= bytes.length * 8) {
      const ip = unmapped(bytes);
      // A prefix of the 128 bits of IPv4 in IPv6's notation is one of the last 32.
      const ofIp = count - (bytes.length - ip.length) * 8;
      if (ofIp >= 0) return new AddressRange(ip, ofIp);
    }
    throw new KwikError("INVALID_ARGUMENT", `"${text.slice(0, 100)}" is no range of addresses; write 10.0.0.0/8, fd00::/8 or one address`);
  }

  /** Whether a host (an IP address; nothing else is in a range) lies in it. */
  contains(host: string): boolean {
    const parsed = parseIp(host);
    if (parsed === undefined) return false;
    const ip = unmapped(parsed);
    if (ip.length !== this.#bytes.length) return false;
    for (let bit = 0; bit < this.#bits; bit += 8) {
      const mask = this.#bits - bit >= 8 ? 0xff : 0xff << (8 - (this.#bits - bit));
      if ((((ip[bit >> 3] as number) ^ (this.#bytes[bit >> 3] as number)) & mask & 0xff) !== 0) return false;
    }
    return true;
  }
}

/** IPv4 in IPv6's notation is IPv4. */
function unmapped(ip: IpBytes): IpBytes {
  const isMapped = ip.length === 16 && ip[10] === 0xff && ip[11] === 0xff && ip.subarray(0, 10).every((byte) => byte === 0);
  return isMapped ? ip.subarray(12) : ip;
}
