import { MAX_FURTHER_CONTENTS } from "../content/content-offer.ts";
import type { NumberedBody } from "../control/control-body.ts";

/** An offer with which the client is not done. */
interface Offer {
  readonly streamId: bigint;
  /** What is to be said of it once it has its turn; undefined since then. */
  unsaid: NumberedBody[] | undefined;
}

/** Keeps the offers of a server within what a client takes at once: further ones in the same streams wait, with their hashes, until it is done with others. spec: CONTENT-22 */
export class OfferTurns {
  readonly #send: (message: NumberedBody) => void;
  readonly #offers = new Map<number, Offer>();
  readonly #waiting = new Set<Offer>();
  /** Offers of each stream that were said and are not done. */
  readonly #saidOf = new Map<bigint, number>();
  #further = 0;

  constructor(send: (message: NumberedBody) => void) {
    this.#send = send;
  }

  /** Says it now, or in its turn. */
  offer(offerId: number, streamId: bigint, message: NumberedBody): void {
    const offer: Offer = { streamId, unsaid: [message] };
    this.#offers.set(offerId, offer);
    if (this.#mayBegin(offer)) this.#begin(offer);
    else this.#waiting.add(offer);
  }

  /** Says something of an offer, not before the offer itself. */
  say(offerId: number, message: NumberedBody): void {
    const unsaid = this.#offers.get(offerId)?.unsaid;
    if (unsaid === undefined) this.#send(message);
    else unsaid.push(message);
  }

  /** The client is done with it. */
  done(offerId: number): void {
    const offer = this.#offers.get(offerId);
    if (offer === undefined) return;
    this.#offers.delete(offerId);
    // Nobody was told of it: the client makes this up, and gets nothing by it.
    if (this.#waiting.delete(offer)) return;
    const rest = (this.#saidOf.get(offer.streamId) ?? 1) - 1;
    if (rest > 0) {
      this.#saidOf.set(offer.streamId, rest);
      this.#further -= 1;
    } else this.#saidOf.delete(offer.streamId);
    for (const next of this.#waiting) {
      if (!this.#mayBegin(next)) continue;
      this.#waiting.delete(next);
      this.#begin(next);
    }
  }

  #mayBegin({ streamId }: Offer): boolean {
    return this.#further < MAX_FURTHER_CONTENTS || !this.#saidOf.has(streamId);
  }

  #begin(offer: Offer): void {
    const said = this.#saidOf.get(offer.streamId) ?? 0;
    this.#saidOf.set(offer.streamId, said + 1);
    if (said > 0) this.#further += 1;
    const messages = offer.unsaid ?? [];
    offer.unsaid = undefined;
    for (const message of messages) this.#send(message);
  }
}
