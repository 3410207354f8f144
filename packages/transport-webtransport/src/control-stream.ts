import { FrameType, isForbiddenFrame } from "./frame-type.ts";
import { Http3Code, Http3Failure } from "./http3-failure.ts";
import { RecordReader } from "./record-reader.ts";
import type { RecordTreatment } from "./record-reader.ts";
import { decodeSettings } from "./settings.ts";
import type { PeerSettings } from "./settings.ts";

/** A SETTINGS frame larger than this is refused, in bytes: there are some ten settings. */
const MAX_SETTINGS_BYTES = 4 * 1024;

/** Reads the peer's control stream: SETTINGS first, and nothing else that matters here. RFC 9114 section 6.2.1 */
export class ControlStream {
  readonly #onSettings: (settings: PeerSettings) => void;
  readonly #records = new RecordReader(this);
  #hasSettings = false;

  constructor(onSettings: (settings: PeerSettings) => void) {
    this.#onSettings = onSettings;
  }

  push(data: Uint8Array): void {
    this.#records.push(data);
  }

  treat(type: number, length: number): RecordTreatment {
    if (!this.#hasSettings) {
      if (type !== FrameType.settings) throw new Http3Failure(Http3Code.missingSettings, "the control stream begins without SETTINGS");
      if (length > MAX_SETTINGS_BYTES) throw new Http3Failure(Http3Code.excessiveLoad, "the SETTINGS frame is too large");
      this.#hasSettings = true;
      return "whole";
    }
    const isMisplaced =
      type === FrameType.settings ||
      type === FrameType.data ||
      type === FrameType.headers ||
      type === FrameType.pushPromise ||
      isForbiddenFrame(type);
    if (isMisplaced) throw new Http3Failure(Http3Code.frameUnexpected, `frame ${type} has no place on the control stream`);
    if (type === FrameType.webTransportStream) throw new Http3Failure(Http3Code.frameError, "a stream signal came on the control stream");
    return "skip";
  }

  onRecord(_type: number, value: Uint8Array): void {
    this.#onSettings(decodeSettings(value));
  }

  onPiece(): void {
    // nothing comes in pieces
  }
}
