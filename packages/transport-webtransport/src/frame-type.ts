/** Frame types of RFC 9114 section 7.2, and the signal of a WebTransport stream, which is no frame. */
export const FrameType = {
  data: 0x00,
  headers: 0x01,
  cancelPush: 0x03,
  settings: 0x04,
  pushPromise: 0x05,
  goaway: 0x07,
  maxPushId: 0x0d,
  webTransportStream: 0x41,
} as const;

/** Types of HTTP/2 that HTTP/3 forbids. RFC 9114 section 7.2.8 */
export function isForbiddenFrame(type: number): boolean {
  return type === 0x02 || type === 0x06 || type === 0x08 || type === 0x09;
}
