/**
 * What an HTTP/3 peer is told when it breaks the rules. RFC 9114 section 8.1, RFC 9204 section 6, RFC 9297 section 5.2 and the WebTransport
 * draft. All fit into the 32 bits that the engine can send.
 */
export const Http3Code = {
  noError: 0x100,
  generalProtocolError: 0x101,
  internalError: 0x102,
  streamCreationError: 0x103,
  closedCriticalStream: 0x104,
  frameUnexpected: 0x105,
  frameError: 0x106,
  excessiveLoad: 0x107,
  idError: 0x108,
  settingsError: 0x109,
  missingSettings: 0x10a,
  requestRejected: 0x10b,
  requestCancelled: 0x10c,
  requestIncomplete: 0x10d,
  messageError: 0x10e,
  datagramError: 0x33,
  qpackDecompressionFailed: 0x200,
  qpackEncoderStreamError: 0x201,
  qpackDecoderStreamError: 0x202,
  webTransportBufferedStreamRejected: 0x3994bd84,
  webTransportSessionGone: 0x170d7b68,
} as const;

/** The peer broke a rule of HTTP/3, which ends the connection. Never leaves this package. */
export class Http3Failure extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
