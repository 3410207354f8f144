import { KwikError, type KwikErrorCode } from "@kwik/core";

/** Why a gateway gives no connection. The numbers travel; spec: TUN-4 */
export const TunnelStatus = {
  "bad-request": 0x01,
  "not-allowed": 0x02,
  "name-not-found": 0x03,
  "connection-refused": 0x04,
  unreachable: 0x05,
  "timed-out": 0x06,
  limit: 0x07,
  draining: 0x08,
  "not-supported": 0x09,
  failed: 0x0a,
} as const;

export type TunnelRefusal = keyof typeof TunnelStatus;

/** Codes with which a stream that was connected is reset. spec: TUN-6 */
export const TunnelReset = {
  /** The connection at the other end broke off. */
  broken: 0x20,
  /** Nothing moved for the gateway's idle timeout. */
  idle: 0x21,
  /** The one who asked no longer wants it. */
  cancelled: 0x22,
} as const;

const codes: Readonly<Record<TunnelRefusal, KwikErrorCode>> = {
  "bad-request": "PROTOCOL_VIOLATION",
  "not-allowed": "ADDRESS_REFUSED",
  "name-not-found": "UNREACHABLE",
  "connection-refused": "UNREACHABLE",
  unreachable: "UNREACHABLE",
  "timed-out": "TIMEOUT",
  limit: "LIMIT_REACHED",
  draining: "GOING_AWAY",
  "not-supported": "NOT_SUPPORTED",
  failed: "UNREACHABLE",
};

/** The gateway answered that it gives no connection to this target. */
export class TunnelRefusedError extends KwikError {
  readonly refusal: TunnelRefusal;

  constructor(refusal: TunnelRefusal, message: string) {
    super(codes[refusal], message, { remote: true });
    this.refusal = refusal;
  }
}

/** The refusal with this number; what is not known is `failed`. */
export function refusalOf(status: number): TunnelRefusal {
  for (const [name, number] of Object.entries(TunnelStatus)) if (number === status) return name as TunnelRefusal;
  return "failed";
}
