import type { Hash } from "node:crypto";

/** Where a download goes. Bytes come in order; the SHA-256 covers all of them, those that were there before included. */
export interface Output {
  /** For messages. */
  readonly label: string;
  /** Bytes of an earlier, unfinished download; 0 if there are none that could be kept. */
  readonly existingBytes: number;
  /** Bytes that are in place and verified. */
  readonly position: number;
  readonly hash: Hash;
  /** Whether bytes that were written stay for a later run. */
  readonly isResumable: boolean;
  /**
   * Compares what is there with the hashes of its blocks and keeps what is equal, up to a whole block or the file's end. Answers how
   * many bytes that are.
   */
  keepVerified(hashes: Uint8Array, size: number): Promise<number>;
  /** Forgets what was kept and written, for other bytes from the beginning. For outputs that are resumable, or still empty. */
  startAnew(): Promise<void>;
  /** The bytes may be changed after it resolved. Rejects with CommandError if they cannot be stored. */
  write(data: Uint8Array): Promise<void>;
  /** All is there. */
  finish(): Promise<void>;
  /** It ends unfinished; what is there stays if it is of use. */
  abandon(): Promise<void>;
}
