import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { CarrierId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import { ControlDecoder } from "../control/control-codec.ts";
import type { ControlMessages, ReceivedEnvelope } from "../control/control-messages.ts";
import { PacketDecoder, type PacketSink } from "../wire/packet-decoder.ts";
import type { Checksum } from "../wire/frame.ts";
import { CarrierKind, PreambleReader } from "../wire/preamble.ts";

/** Carriers of one link at once, of both sides together; a sender keeps to `maxCarriers` in each direction. */
const MAX_CARRIERS = 256;

/** Held pieces smaller than this are gathered in buffers of that size: a piece by itself costs more than its bytes. */
const GATHER_BYTES = 4096;

/** Whatever the own limits: a peer with the default ones may send this. spec: WIRE-4 */
const MIN_ACCEPTED_PACKET_BYTES = 128 * 1024;

export interface LinkInputOptions {
  readonly limits: Limits;
  readonly checksum: Checksum | undefined;
  readonly requireChecksum: boolean;
  /** Of this side. */
  readonly messages: ControlMessages;
}

/**
 * What comes in on one link: tells carriers apart by their preamble, decodes the control plane, and gives packets to a sink for each. Until
 * there are sinks (the path is not accepted yet) data carriers are held, within `maxBytesBeforeAuth`. spec: PATH-3
 */
export class LinkInput {
  readonly #options: LinkInputOptions;
  readonly #carriers = new Map<CarrierId, CarrierInput>();
  readonly #control: ControlDecoder;
  readonly #opened: CarrierId[] = [];
  #sinkOf: ((carrier: CarrierId) => PacketSink) | undefined;
  #controlCarrier: CarrierId | undefined;
  #heldBytes = 0;
  #bytes = 0;

  constructor(options: LinkInputOptions) {
    this.#options = options;
    this.#control = new ControlDecoder(options.limits, options.messages);
  }

  /** Whether the link leaves it to packets to protect their bytes. */
  get requiresChecksum(): boolean {
    return this.#options.requireChecksum;
  }

  /** Whether packets are processed as they come; until then what comes is kept as it is. */
  get isAccepted(): boolean {
    return this.#sinkOf !== undefined;
  }

  /** The control messages of this side. */
  get messages(): ControlMessages {
    return this.#options.messages;
  }

  get controlCarrier(): CarrierId | undefined {
    return this.#controlCarrier;
  }

  /** This side opened a carrier; the answering direction has no preamble. */
  carrierOpened(carrier: CarrierId, kind: CarrierKind): void {
    if (kind === CarrierKind.control) this.#controlCarrier = carrier;
    this.#carriers.set(carrier, new CarrierInput(carrier, kind));
  }

  handleData(carrier: CarrierId, data: Uint8Array): ProtocolFailure | undefined {
    let input = this.#carriers.get(carrier);
    if (input === undefined) {
      if (this.#carriers.size >= MAX_CARRIERS) return failure(ErrorCode.LIMIT_REACHED, `more than ${MAX_CARRIERS} carriers on one link`);
      input = new CarrierInput(carrier, undefined);
      this.#carriers.set(carrier, input);
    }
    if (this.#sinkOf === undefined) {
      this.#bytes += data.length;
      if (this.#bytes > this.#options.limits.maxBytesBeforeAuth) {
        return failure(ErrorCode.TOO_LARGE, `more than ${this.#options.limits.maxBytesBeforeAuth} bytes before the path was accepted`);
      }
    }
    let bytes = data;
    if (input.kind === undefined) {
      const result = input.preamble.push(data);
      if (result === undefined) return undefined;
      if ("code" in result) return result;
      const refused = this.#admit(carrier, input, result.kind);
      if (refused !== undefined) return refused;
      bytes = result.rest;
      if (bytes.length === 0) return undefined;
    }
    return this.#route(input, bytes);
  }

  /** The peer ended a carrier. Losing the control carrier, or a packet in the middle, loses the path. */
  carrierClosed(carrier: CarrierId): ProtocolFailure | undefined {
    const input = this.#carriers.get(carrier);
    this.#carriers.delete(carrier);
    if (input === undefined) return undefined;
    if (carrier === this.#controlCarrier) return failure(ErrorCode.LINK_LOST, "the control carrier ended");
    if (input.held.length > 0 || input.decoder?.isBetweenPackets === false) {
      return failure(ErrorCode.LINK_LOST, "a data carrier ended in the middle of a packet");
    }
    return undefined;
  }

  /** Nothing more comes on a carrier that this side ends. */
  forget(carrier: CarrierId): void {
    this.#carriers.delete(carrier);
  }

  /** Data carriers that the peer opened since the last call. */
  pollOpened(): CarrierId | undefined {
    return this.#opened.shift();
  }

  pollEnvelope(): ReceivedEnvelope | undefined {
    return this.#control.poll();
  }

  /** The path was accepted: from now on packets go to their carrier's sink, those held first. */
  accept(sinkOf: (carrier: CarrierId) => PacketSink): ProtocolFailure | undefined {
    this.#sinkOf = sinkOf;
    for (const input of this.#carriers.values()) {
      const held = input.held;
      input.held = [];
      for (const data of held) {
        const problem = this.#route(input, data);
        if (problem !== undefined) return problem;
      }
    }
    this.#heldBytes = 0;
    return undefined;
  }

  /** What is held of a carrier until the path is accepted. */
  heldPieces(carrier: CarrierId): readonly Uint8Array[] {
    return this.#carriers.get(carrier)?.held ?? [];
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  #admit(carrier: CarrierId, input: CarrierInput, kind: CarrierKind): ProtocolFailure | undefined {
    input.kind = kind;
    if (kind === CarrierKind.control) {
      if (this.#controlCarrier !== undefined) return failure(ErrorCode.PROTOCOL_VIOLATION, "a second control carrier");
      this.#controlCarrier = carrier;
      return undefined;
    }
    if (kind === CarrierKind.data) {
      this.#opened.push(carrier);
      return undefined;
    }
    return failure(ErrorCode.PROTOCOL_VIOLATION, "a certificate query on an established link");
  }

  #route(input: CarrierInput, data: Uint8Array): ProtocolFailure | undefined {
    if (input.kind === CarrierKind.control) return this.#readControl(data);
    if (this.#sinkOf === undefined) {
      input.hold(data);
      this.#heldBytes += data.length;
      return undefined;
    }
    input.decoder ??= this.#newDecoder(this.#sinkOf(input.id));
    return input.decoder.push(data);
  }

  #readControl(data: Uint8Array): ProtocolFailure | undefined {
    const refused = this.#control.push(data);
    // Nothing follows the first message before it was answered. spec: CTRL-9
    if (refused === undefined && this.#sinkOf === undefined && this.#control.count > 1)
      return failure(ErrorCode.PROTOCOL_VIOLATION, "a second control message before the first was answered");
    return refused;
  }

  #newDecoder(sink: PacketSink): PacketDecoder {
    const { limits, checksum, requireChecksum } = this.#options;
    return new PacketDecoder(sink, {
      // Frame headers come on top of the payload that a sender aims at.
      maxPacketBytes: Math.max(MIN_ACCEPTED_PACKET_BYTES, limits.maxPacketBytes, limits.maxRawBytes) + 4096,
      maxRawBytes: limits.maxRawBytes,
      maxDatagramBytes: limits.maxDatagramBytes,
      requireChecksum,
      ...(checksum === undefined ? {} : { checksum }),
    });
  }
}

class CarrierInput {
  readonly id: CarrierId;
  kind: CarrierKind | undefined;
  readonly preamble = new PreambleReader();
  decoder: PacketDecoder | undefined;
  held: Uint8Array[] = [];
  /** The buffer that the last held piece lies in, if it is one for gathering. */
  #gathering: Uint8Array | undefined;

  constructor(id: CarrierId, kind: CarrierKind | undefined) {
    this.id = id;
    this.kind = kind;
  }

  hold(data: Uint8Array): void {
    if (data.length >= GATHER_BYTES) {
      this.held.push(data);
      this.#gathering = undefined;
      return;
    }
    const last = this.held.at(-1);
    const start = this.#gathering === undefined || last === undefined ? GATHER_BYTES : last.length;
    if (this.#gathering === undefined || start + data.length > GATHER_BYTES) {
      this.#gathering = new Uint8Array(GATHER_BYTES);
      this.#gathering.set(data);
      this.held.push(this.#gathering.subarray(0, data.length));
      return;
    }
    this.#gathering.set(data, start);
    this.held[this.held.length - 1] = this.#gathering.subarray(0, start + data.length);
  }
}
