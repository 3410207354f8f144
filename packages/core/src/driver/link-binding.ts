import { Arrival, type PathId, type Session } from "@kwik/proto";
import type { Carrier, Link, LinkCloseInfo, LinkReceiver } from "../transport/link.ts";
import type { Runtime } from "./runtime.ts";

/** The session that a link works for. */
export interface LinkOwner {
  readonly session: Session;
  readonly runtime: Runtime;
  /** Puts something into the state machine; a fault there ends the session. */
  attempt(input: (session: Session, now: number) => void): void;
  fail(error: unknown): void;
  linkClosed(pathId: PathId, info: LinkCloseInfo): void;
  batchEnd(): void;
}

/** One link of a session: carriers by number, and what it brings on its way into the state machine. */
export class LinkBinding implements LinkReceiver {
  readonly link: Link;
  readonly #owner: LinkOwner;
  readonly pathId: PathId;
  readonly #carriers = new Map<number, Carrier>();

  constructor(owner: LinkOwner, pathId: PathId, link: Link) {
    this.#owner = owner;
    this.pathId = pathId;
    this.link = link;
  }

  carrier(id: number): Carrier | undefined {
    return this.#carriers.get(id);
  }

  open(): number | undefined {
    const carrier = this.link.openCarrier();
    if (carrier === undefined) return undefined;
    this.know(carrier);
    return carrier.id;
  }

  know(carrier: Carrier): void {
    const { ownedBuffers } = this.link.capabilities;
    this.#carriers.set(carrier.id, carrier);
    carrier.receiver = {
      takesArrivals: true,
      onData: (data, shared) => {
        const own = shared === undefined && ownedBuffers ? Arrival.of(data) : undefined;
        try {
          this.#owner.session.handleCarrierData(this.#owner.runtime.now(), this.pathId, carrier.id, data, shared ?? own);
        } catch (error) {
          this.#owner.fail(error);
        }
        own?.release();
      },
      onEnd: () => {
        this.#carriers.delete(carrier.id);
        this.#owner.attempt((session, now) => session.handleCarrierClosed(now, this.pathId, carrier.id));
      },
    };
  }

  /** Gives a carrier back; nothing more comes from it. */
  reset(id: number): void {
    const carrier = this.#carriers.get(id);
    this.#carriers.delete(id);
    carrier?.reset(0);
  }

  onCarrier(carrier: Carrier): void {
    this.know(carrier);
  }

  onDatagram(data: Uint8Array): void {
    this.#owner.attempt((session, now) => session.handleDatagram(now, this.pathId, data));
  }

  onClose(info: LinkCloseInfo): void {
    this.#owner.linkClosed(this.pathId, info);
  }

  onBatchEnd(): void {
    this.#owner.batchEnd();
  }
}
