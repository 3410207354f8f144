import { Http3Code, Http3Failure } from "../http3-failure.ts";

/** Sets the capacity of the dynamic table to 0: all that an encoder may say where the table holds nothing. RFC 9204 section 4.3.1 */
const CAPACITY_ZERO = 0x20;

/** Checks the peer's encoder stream. */
export class EncoderInstructions {
  push(data: Uint8Array): void {
    for (const byte of data) {
      if (byte !== CAPACITY_ZERO)
        throw new Http3Failure(Http3Code.qpackEncoderStreamError, "it uses a dynamic table that it was not given");
    }
  }
}

/** Bytes of a stream number after the first, at most. */
const MAX_FURTHER_BYTES = 9;

/** Checks the peer's decoder stream: it may cancel streams, and has nothing to acknowledge. RFC 9204 section 4.4 */
export class DecoderInstructions {
  /** Bytes of the number that was begun; 0 between instructions. */
  #furtherBytes = 0;

  push(data: Uint8Array): void {
    for (const byte of data) {
      if (this.#furtherBytes > 0) {
        this.#furtherBytes = byte < 0x80 ? 0 : this.#furtherBytes + 1;
        if (this.#furtherBytes > MAX_FURTHER_BYTES) throw failure("a number is too large");
      } else {
        if ((byte & 0xc0) !== 0x40) throw failure("it acknowledges what was never sent");
        if ((byte & 0x3f) === 0x3f) this.#furtherBytes = 1;
      }
    }
  }
}

function failure(what: string): Http3Failure {
  return new Http3Failure(Http3Code.qpackDecoderStreamError, what);
}
