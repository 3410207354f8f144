import { ErrorCode, failure, type ProtocolFailure } from "../base/error-codes.ts";
import type { CarrierId, PathId } from "../base/ids.ts";
import type { Limits } from "../base/limits.ts";
import type { DurationMs, Instant } from "../base/time.ts";
import { encodeEnvelope, type Envelope } from "../control/control-codec.ts";
import { CarrierPool } from "../path/carrier-pool.ts";
import { CarrierKind, encodePreamble } from "../wire/preamble.ts";
import type { LinkInput } from "./link-input.ts";
import { OutgoingFrames } from "./outgoing-frame.ts";
import type { SessionPath } from "./session-event.ts";
import type { Transmit } from "./transmit.ts";

/** A link that refused a carrier is asked again after this long. */
const REFUSED_MS: DurationMs = 100;

/** The link side of one path: its carriers, what comes in, and what waits to go out before or beside packets. */
export class PathWire {
  readonly path: SessionPath;
  readonly input: LinkInput;
  readonly pool: CarrierPool;
  /** Envelopes of this path alone: hello, join, their answers. */
  readonly #outgoing: Envelope[] = [];
  readonly #opening: CarrierKind[] = [];
  readonly #transmits: Transmit[] = [];
  /** Datagrams that are to go on this path and no other. */
  readonly datagrams = new OutgoingFrames();
  /** The largest datagram of the link, in bytes; 0 if it has none. */
  linkDatagramBytes = 0;
  #refusedUntil: Instant = 0;
  isLinkUp = false;
  isClosing = false;
  /** It is being removed: no new data on it. */
  isDraining = false;
  /** The other side was told that nothing of this side's is under way any more, or will be. spec: CLOSE-3 */
  hasSaidClose = false;
  /** The other side said so. */
  isPeerClosing = false;
  /** Data may be sent: the hello has left (client), or the path was accepted (server). */
  maySendData = false;
  /** Its hello may be answered with another port. spec: CTRL-20 */
  takesRedirect = false;

  constructor(path: SessionPath, input: LinkInput, limits: Limits) {
    this.path = path;
    this.input = input;
    this.pool = new CarrierPool(limits);
  }

  get id(): PathId {
    return this.path.id;
  }

  /** It is neither being removed nor closed. */
  get takesNew(): boolean {
    return !this.isClosing && !this.isDraining;
  }

  /** New data may go on it now. */
  isOpenForData(now: Instant): boolean {
    return this.maySendData && !this.isClosing && !this.isDraining && (this.pool.size > 0 || this.mayOpen(now));
  }

  sendEnvelope(envelope: Envelope): void {
    const carrier = this.input.controlCarrier;
    if (carrier === undefined) this.#outgoing.push(envelope);
    else this.#transmits.push({ kind: "send", pathId: this.id, carrier, parts: [encodeEnvelope(this.input.messages, envelope)] });
  }

  /** Asks the driver for a carrier; without effect for a moment after the link has refused one. */
  wantCarrier(kind: CarrierKind, now: Instant): void {
    if (!this.mayOpen(now)) return;
    this.#opening.push(kind);
    this.#transmits.push({ kind: "open", pathId: this.id });
  }

  get openingCount(): number {
    return this.#opening.length;
  }

  /** The driver opened the carrier that was wanted longest. */
  carrierOpened(carrier: CarrierId): void {
    const kind = this.#opening.shift();
    if (kind === undefined) return;
    this.input.carrierOpened(carrier, kind);
    this.#transmits.push({ kind: "send", pathId: this.id, carrier, parts: [encodePreamble(kind)] });
    if (kind === CarrierKind.data) {
      this.pool.opened(carrier, false);
      return;
    }
    for (const envelope of this.#outgoing.splice(0)) this.sendEnvelope(envelope);
  }

  /** The link could not open one now; the pool asks again in a while. */
  carrierRefused(now: Instant): void {
    this.#opening.shift();
    this.#refusedUntil = now + REFUSED_MS;
  }

  mayOpen(now: Instant): boolean {
    return now >= this.#refusedUntil;
  }

  /** Data carriers that the peer opened are for use. */
  takeOpened(): void {
    for (let carrier = this.input.pollOpened(); carrier !== undefined; carrier = this.input.pollOpened()) this.pool.opened(carrier, true);
  }

  /** The peer sends nothing more on a carrier, and all that it had sent there was processed. spec: CARRIER-6 */
  carrierRetired(carrier: CarrierId): ProtocolFailure | undefined {
    // It may have come in one piece with the carrier's first bytes.
    this.takeOpened();
    switch (this.pool.retired(carrier)) {
      case "unasked":
        return failure(ErrorCode.PROTOCOL_VIOLATION, "CARRIER_RETIRE on a carrier that was not given back");
      case "over":
        this.input.forget(carrier);
        this.#transmits.push({ kind: "reset-carrier", pathId: this.id, carrier });
        return undefined;
      case "to-answer":
        return undefined;
    }
  }

  /** Answers whether what went out on it may be lost. */
  carrierClosed(carrier: CarrierId): boolean {
    return this.pool.closed(carrier);
  }

  closeLink(code: number, reason: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#transmits.push({ kind: "close", pathId: this.id, code, reason });
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }
}
