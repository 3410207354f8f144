import { BinaryReader, getTextEncoding } from "@bufbuild/protobuf/wire";

const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Reads protobuf values of a control message and throws an Error, for `ControlDecoder` to catch, at text that is not UTF-8, at a 64-bit
 * number that a JavaScript number cannot hold exactly, and at a floating-point number that is no measure. spec: CTRL-3
 */
export class StrictReader extends BinaryReader {
  constructor(bytes: Uint8Array) {
    super(bytes, decodeStrictly);
  }

  /** A copy: a view would keep the whole message, with all that this version does not know in it, for as long as its smallest field lives. */
  override bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(super.bytes());
  }

  override uint64(): bigint {
    const value = BigInt(super.uint64());
    if (value > LARGEST) throw new Error("a 64-bit number of 2^53 or more");
    return value;
  }

  override double(): number {
    const value = super.double();
    if (!Number.isFinite(value) || value < 0) throw new Error("a floating-point number that is negative or not finite");
    return value;
  }
}

function decodeStrictly(bytes: Uint8Array): string {
  return getTextEncoding().decodeUtf8(bytes, true);
}
