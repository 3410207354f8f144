import { Http3Code, Http3Failure } from "./http3-failure.ts";
import { encodeRecord } from "./record-reader.ts";
import { encodeVarint, VarintReader } from "./varint.ts";

/** Field sections larger than this are refused, in bytes as RFC 9114 section 4.2.2 measures them; also HEADERS frames. */
export const MAX_FIELD_SECTION_BYTES = 16 * 1024;

const SETTINGS_FRAME = 0x04;

const Setting = {
  maxFieldSectionSize: 0x06,
  enableConnectProtocol: 0x08,
  h3Datagram: 0x33,
  /** What came before RFC 9297; Chromium's stack knows both. */
  h3DatagramDraft04: 0xffd277,
  webTransportDraft02: 0x2b603742,
  webTransportMaxSessionsDraft07: 0xc671706a,
} as const;

/** Settings of HTTP/2 that HTTP/3 forbids. RFC 9114 section 7.2.4.1 */
const FORBIDDEN = new Set([0x02, 0x03, 0x04, 0x05]);

/**
 * The SETTINGS frame of this side. The QPACK settings stay at 0, which is their default: the peer may not use a dynamic table. Drafts of
 * WebTransport from 15 on are not offered, because they need the RESET_STREAM_AT frame, which the engine does not have.
 */
export function encodeSettings(): Uint8Array {
  const pairs: readonly (readonly [number, number])[] = [
    [Setting.maxFieldSectionSize, MAX_FIELD_SECTION_BYTES],
    [Setting.enableConnectProtocol, 1],
    [Setting.h3Datagram, 1],
    [Setting.h3DatagramDraft04, 1],
    [Setting.webTransportDraft02, 1],
    [Setting.webTransportMaxSessionsDraft07, 1],
  ];
  const payload = pairs.flatMap(([id, value]) => [...encodeVarint(id), ...encodeVarint(value)]);
  return encodeRecord(SETTINGS_FRAME, Uint8Array.from(payload));
}

/** What the peer's SETTINGS frame says. */
export interface PeerSettings {
  /** Whether it takes HTTP datagrams. */
  readonly datagrams: boolean;
}

/** Reads the value of a SETTINGS frame. Unknown settings mean nothing; they are sent to see that they are ignored. */
export function decodeSettings(payload: Uint8Array): PeerSettings {
  const values = new Map<number, number>();
  let at = 0;
  while (at < payload.length) {
    const id = new VarintReader();
    const value = new VarintReader();
    at = value.take(payload, id.take(payload, at));
    if (id.value === undefined || value.value === undefined) throw new Http3Failure(Http3Code.frameError, "a SETTINGS frame is cut off");
    if (FORBIDDEN.has(id.value)) throw new Http3Failure(Http3Code.settingsError, `setting ${id.value} belongs to HTTP/2`);
    // Numbers that JavaScript rounds could look alike; they are none that are known.
    if (values.has(id.value) && Number.isSafeInteger(id.value)) {
      throw new Http3Failure(Http3Code.settingsError, `setting ${id.value} came twice`);
    }
    values.set(id.value, value.value);
  }
  const datagrams = values.get(Setting.h3Datagram) ?? values.get(Setting.h3DatagramDraft04) ?? 0;
  if (datagrams > 1) throw new Http3Failure(Http3Code.settingsError, "H3_DATAGRAM is neither 0 nor 1");
  return { datagrams: datagrams === 1 };
}
