import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";

/** What a carrier is for. spec: WIRE-2 */
export const CarrierKind = {
  /** Envelopes of the control plane; one per path. */
  control: 0,
  /** Packets of frames. */
  data: 1,
  /** A query for the server's certificate. */
  certificate: 2,
} as const;

export type CarrierKind = (typeof CarrierKind)[keyof typeof CarrierKind];

/** The version of the protocol that this code speaks. */
export const PROTOCOL_VERSION = 1;

/** Bytes at the start of each carrier, in its opener's direction. */
export const PREAMBLE_BYTES = 6;

const MAGIC = [0x4b, 0x57, 0x49, 0x4b] as const;
const EMPTY = new Uint8Array(0);

/** A carrier's preamble that was read whole. */
export interface Preamble {
  readonly kind: CarrierKind;
  /** The bytes after it, a view of the last input; often empty. */
  readonly rest: Uint8Array;
}

/** The six bytes that open a carrier, in an array of their own. */
export function encodePreamble(kind: CarrierKind): Uint8Array {
  return Uint8Array.of(...MAGIC, PROTOCOL_VERSION, kind);
}

/** Reads the preamble of one carrier from bytes that are cut anywhere. Refuses at the first wrong byte. */
export class PreambleReader {
  #seen = 0;
  #failure: ProtocolFailure | undefined;

  /**
   * Takes the next bytes. Answers undefined while more are needed, then the preamble; or a failure, the same from then on
   * (tell them apart by `"code" in outcome`): NOT_KWIK, VERSION, PROTOCOL_VIOLATION for an unknown kind. Not to be called after success.
   */
  push(data: Uint8Array): Preamble | ProtocolFailure | undefined {
    if (this.#seen === PREAMBLE_BYTES) throw new Error("the preamble was already read");
    if (this.#failure !== undefined) return this.#failure;
    for (let i = 0; i < data.length; i += 1) {
      const byte = data[i] as number;
      if (this.#seen === PREAMBLE_BYTES - 1) {
        if (byte > CarrierKind.certificate) return this.#fail(ErrorCode.PROTOCOL_VIOLATION, `unknown carrier kind ${byte}`);
        this.#seen += 1;
        return { kind: byte as CarrierKind, rest: i + 1 === data.length ? EMPTY : data.subarray(i + 1) };
      }
      if (this.#seen < MAGIC.length) {
        if (byte !== MAGIC[this.#seen]) return this.#fail(ErrorCode.NOT_KWIK, "the carrier does not begin with kwik's preamble");
      } else if (byte !== PROTOCOL_VERSION) return this.#fail(ErrorCode.VERSION, `version ${byte} is not spoken here`);
      this.#seen += 1;
    }
    return undefined;
  }

  #fail(code: ErrorCode, reason: string): ProtocolFailure {
    this.#failure = failure(code, reason);
    return this.#failure;
  }
}
