import type { PathId } from "../base/ids.ts";
import { encodeLinkDatagram, linkDatagramBytes } from "../wire/link-datagram.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import { MAX_VARINT_BYTES } from "../wire/varint.ts";
import type { OutgoingFrame } from "./outgoing-frame.ts";
import type { Peer } from "./peer.ts";
import type { StreamSender } from "./stream-entry.ts";

/** One copy of an application's datagram: sent once, and lost with its path. */
export class DatagramFrame implements OutgoingFrame {
  isQueued = false;
  readonly #number: number;
  readonly #data: Uint8Array;

  constructor(number: number, data: Uint8Array) {
    this.#number = number;
    this.#data = data;
  }

  get encodedBytes(): number {
    return this.#data.length + 1 + 2 * MAX_VARINT_BYTES;
  }

  /** What a datagram of the link would have to hold, in bytes. */
  get linkBytes(): number {
    return linkDatagramBytes(this.#number, this.#data.length);
  }

  encodeForLink(): Uint8Array {
    return encodeLinkDatagram(this.#number, this.#data);
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.datagram(this.#number, this.#data);
    return true;
  }

  acknowledged(): void {}

  lost(): void {}
}

/** Tells the other side that a path is being removed. Lost with the path it went on; a deadline stands behind it. spec: CLOSE-3 */
export class PathCloseFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 64;
  readonly #pathId: PathId;
  readonly #code: number;

  constructor(pathId: PathId, code: number) {
    this.#pathId = pathId;
    this.#code = code;
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.pathClose(this.#pathId, this.#code, "");
    return true;
  }

  acknowledged(): void {}

  lost(): void {}
}

/** Tells the other side how urgent a stream is. */
export class PriorityFrame implements OutgoingFrame {
  isQueued = false;
  readonly encodedBytes = 16;
  readonly #peer: Peer;
  readonly #sender: StreamSender;

  constructor(peer: Peer, sender: StreamSender) {
    this.#peer = peer;
    this.#sender = sender;
  }

  encode(encoder: PacketEncoder): boolean {
    encoder.priority(this.#sender.stream.id, this.#sender.stream.priority);
    return true;
  }

  acknowledged(): void {}

  lost(): void {
    this.#peer.frames.push(this);
  }
}
