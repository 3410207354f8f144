import { Http3Code, Http3Failure } from "./http3-failure.ts";
import { encodeRecord, RecordReader } from "./record-reader.ts";
import type { RecordTreatment } from "./record-reader.ts";

const CLOSE_SESSION = 0x2843;
const CODE_BYTES = 4;
/** Longest close reason, in bytes of UTF-8. */
const MAX_REASON_BYTES = 1024;

export interface SessionEnd {
  readonly code: number;
  readonly reason: string;
}

/**
 * Reads the capsules of a session. Only the one that closes it means something here: the session may go on after WT_DRAIN_SESSION
 * (0x78ae), flow control capsules are ignored without the settings that turn it on, and datagrams come as QUIC's own.
 */
export class CapsuleReader {
  readonly #onClose: (end: SessionEnd) => void;
  readonly #records = new RecordReader(this);

  constructor(onClose: (end: SessionEnd) => void) {
    this.#onClose = onClose;
  }

  push(data: Uint8Array): void {
    this.#records.push(data);
  }

  treat(type: number, length: number): RecordTreatment {
    if (type !== CLOSE_SESSION) return "skip";
    if (length < CODE_BYTES || length > CODE_BYTES + MAX_REASON_BYTES) {
      throw new Http3Failure(Http3Code.messageError, "a close capsule is malformed");
    }
    return "whole";
  }

  onRecord(_type: number, value: Uint8Array): void {
    const code = new DataView(value.buffer, value.byteOffset).getUint32(0);
    this.#onClose({ code, reason: new TextDecoder().decode(value.subarray(CODE_BYTES)) });
  }

  onPiece(): void {
    // nothing comes in pieces
  }
}

/** The capsule that closes a session. A reason that is too long is cut at a character. */
export function encodeCloseCapsule(end: SessionEnd): Uint8Array {
  const value = new Uint8Array(CODE_BYTES + MAX_REASON_BYTES);
  new DataView(value.buffer).setUint32(0, end.code);
  const { written } = new TextEncoder().encodeInto(end.reason, value.subarray(CODE_BYTES));
  return encodeRecord(CLOSE_SESSION, value.subarray(0, CODE_BYTES + written));
}
