import type { AddressInfo } from "node:net";

/** What a socket needs of a stream, or of a tunnel, which has one with a header in front. */
export interface SocketStream {
  read(): Promise<Uint8Array | null>;
  write(data: Uint8Array): Promise<void>;
  close(): Promise<void>;
  flushed(): Promise<void>;
  reset(code: number): void;
  stopReading(code: number): void;
}

/** A stream that became a socket's. */
export interface Attachment {
  readonly stream: SocketStream;
  /** Asked only if somebody wants to know; undefined where it is not known. */
  readonly local: () => AddressInfo | undefined;
  readonly remote: () => AddressInfo | undefined;
  /** The socket is over, or will be when what is under way has arrived. Called once. */
  readonly release: () => void;
}

/** The codes with which sockets end the directions of a stream before their time. */
export const SocketCode = {
  /** Nobody reads here any more; what was written before is whole. */
  closed: 0x30,
  /** The connection was broken off: bytes may be missing. */
  reset: 0x31,
  /** The server is closed. */
  refused: 0x32,
} as const;
