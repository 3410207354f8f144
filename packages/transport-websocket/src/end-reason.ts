/** Close codes of RFC 6455 that this package decides by. */
export const CloseCode = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  noStatus: 1005,
  abnormal: 1006,
  internalError: 1011,
} as const;

const WORDS = new Map<number, string>([
  [1002, "the other side found a fault in the WebSocket framing"],
  [1003, "the other side refused a kind of message"],
  [1007, "the other side refused what a message held"],
  [1008, "the other side refused a message by its rules"],
  [1009, "the other side refused a message as too large"],
  [1011, "the other side failed"],
  [1012, "the other side restarts"],
  [1013, "the other side is overloaded"],
  [1014, "a gateway on the way failed"],
]);

/** Why a WebSocket closed, in words; empty if the other side ended it in order. `detail` is what the socket said, if anything. */
export function endReason(code: number, peersReason: string, detail: string | undefined): string {
  switch (code) {
    case CloseCode.normal:
    case CloseCode.goingAway:
    case CloseCode.noStatus:
      return "";
    case CloseCode.abnormal:
      return detail === undefined ? "the connection broke" : `the connection broke: ${detail}`;
  }
  const words = WORDS.get(code) ?? `the other side closed the WebSocket with code ${code}`;
  return peersReason === "" ? words : `${words}: ${peersReason}`;
}
