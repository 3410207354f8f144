import { ControlStream } from "./control-stream.ts";
import { Http3Code, Http3Failure } from "./http3-failure.ts";
import type { Http3Stream, Http3StreamReceiver } from "./http3-port.ts";
import { DecoderInstructions, EncoderInstructions } from "./qpack/peer-instructions.ts";
import type { PeerSettings } from "./settings.ts";
import { VarintReader } from "./varint.ts";

/** Types of unidirectional streams. RFC 9114 section 6.2, RFC 9204 section 4.2 */
const StreamType = { control: 0x00, push: 0x01, qpackEncoder: 0x02, qpackDecoder: 0x03 } as const;

/** What reads a stream that HTTP/3 cannot do without. */
interface CriticalReader {
  push(data: Uint8Array): void;
}

/** The streams of one connection that there may be one of each, and what they bring. */
export class CriticalStreams {
  readonly #onSettings: (settings: PeerSettings) => void;
  readonly #seen = new Set<number>();

  constructor(onSettings: (settings: PeerSettings) => void) {
    this.#onSettings = onSettings;
  }

  /** A reader for a stream of this type; undefined if the type means nothing here. */
  open(type: number): CriticalReader | undefined {
    const reader = this.#readerFor(type);
    if (reader === undefined) return undefined;
    if (this.#seen.has(type)) throw new Http3Failure(Http3Code.streamCreationError, `there is a second stream of type ${type}`);
    this.#seen.add(type);
    return reader;
  }

  #readerFor(type: number): CriticalReader | undefined {
    switch (type) {
      case StreamType.control:
        return new ControlStream(this.#onSettings);
      case StreamType.qpackEncoder:
        return new EncoderInstructions();
      case StreamType.qpackDecoder:
        return new DecoderInstructions();
      case StreamType.push:
        throw new Http3Failure(Http3Code.streamCreationError, "clients push nothing");
      default:
        return undefined;
    }
  }
}

/**
 * A unidirectional stream that the peer opened. Its first number says what it is; of those that mean nothing here no more is read, and
 * WebTransport's own (0x54) are among them: kwik's carriers go both ways.
 */
export class PeerUnidirectional implements Http3StreamReceiver {
  readonly #stream: Http3Stream;
  readonly #streams: CriticalStreams;
  readonly #type = new VarintReader();
  #reader: CriticalReader | undefined;

  constructor(stream: Http3Stream, streams: CriticalStreams) {
    this.#stream = stream;
    this.#streams = streams;
  }

  onData(data: Uint8Array): void {
    let at = 0;
    if (this.#reader === undefined) {
      at = this.#type.take(data, 0);
      if (this.#type.value === undefined) return;
      this.#reader = this.#streams.open(this.#type.value);
      if (this.#reader === undefined) {
        this.#stream.reset(Http3Code.streamCreationError);
        return;
      }
    }
    this.#reader.push(data.subarray(at));
  }

  onEnd(): void {
    if (this.#reader !== undefined) throw new Http3Failure(Http3Code.closedCriticalStream, "a stream ended that must stay open");
  }
}
