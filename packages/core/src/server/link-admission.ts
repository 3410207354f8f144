import { ErrorCode, PathAcceptor, type Limits, type Opening, type ProtocolFailure } from "@kwik/proto";
import type { Runtime } from "../driver/runtime.ts";
import type { Carrier, Link, LinkCloseInfo, LinkReceiver } from "../transport/link.ts";
import { reasonOf, type Refusal } from "./refusal.ts";

/** Who decides about links. */
export interface AdmissionOwner {
  /** The first message of a link: says where its input goes from now on, or refuses. */
  onOpening(admission: LinkAdmission, opening: Opening): void;
  /** Bytes have come of a link that is not decided about. It may be refused by it. */
  onHeld(admission: LinkAdmission, bytes: number): void;
  /** It was refused. */
  onRefused(admission: LinkAdmission, refusal: Refusal): void;
  /** The link ended before anything was decided. */
  onGone(admission: LinkAdmission): void;
}

/**
 * A link that has come to a listener and belongs to no session yet. Bytes before the decision are held and bounded; a link that says
 * nothing in time is closed. Afterwards it passes everything on.
 */
export class LinkAdmission implements LinkReceiver {
  readonly link: Link;
  readonly acceptor: PathAcceptor;
  /** Told when it is over: it was refused, or the link ended before it belonged to a session. For whoever waits on its behalf. */
  onOver: (() => void) | undefined;
  readonly #carriers = new Map<number, Carrier>();
  readonly #runtime: Runtime;
  readonly #owner: AdmissionOwner;
  #timer: unknown;
  #lingering: unknown;
  #successor: LinkReceiver | undefined;
  #isOpened = false;
  #isOver = false;
  #heldBytes = 0;

  constructor(
    link: Link,
    limits: Limits,
    runtime: Runtime,
    checksum: ((data: Uint8Array, seed: number) => number) | undefined,
    owner: AdmissionOwner,
  ) {
    this.link = link;
    this.#runtime = runtime;
    this.#owner = owner;
    this.acceptor = new PathAcceptor({ limits, checksum, requireChecksum: !link.capabilities.encrypted });
    this.#timer = runtime.setTimer(() => {
      const what = this.#isOpened ? "it could not be decided about the client" : "no hello";
      this.#fail({ code: ErrorCode.TIMEOUT, reason: `${what} within ${limits.handshakeTimeoutMs} ms` });
    }, limits.handshakeTimeoutMs);
  }

  carriers(): IterableIterator<Carrier> {
    return this.#carriers.values();
  }

  /** What came so far, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The link belongs to a session now. */
  handOver(successor: LinkReceiver): void {
    this.#runtime.clearTimer(this.#timer);
    this.#successor = successor;
  }

  /** Says no and closes the link, after a moment in which the answer can leave. */
  refuse(refusal: Refusal): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#runtime.clearTimer(this.#timer);
    this.onOver?.();
    this.#owner.onRefused(this, refusal);
    const { code, text, retryAfterMs, redirectPort } = refusal;
    const control = this.acceptor.input.controlCarrier;
    const carrier = control === undefined ? undefined : this.#carriers.get(control);
    if (carrier === undefined) {
      this.link.close(code, text);
      return;
    }
    carrier.send([PathAcceptor.refusal(code, text, retryAfterMs, redirectPort)]);
    this.#lingering = this.#runtime.setTimer(() => this.link.close(code, text), REFUSAL_LINGER_MS);
  }

  onCarrier(carrier: Carrier): void {
    if (this.#successor !== undefined) {
      this.#successor.onCarrier(carrier);
      return;
    }
    this.#carriers.set(carrier.id, carrier);
    carrier.receiver = {
      onData: (data) => this.#data(carrier, data),
      onEnd: () => this.#carriers.delete(carrier.id),
    };
  }

  onDatagram(data: Uint8Array): void {
    this.#successor?.onDatagram(data);
  }

  onClose(info: LinkCloseInfo): void {
    this.#isOver = true;
    this.#runtime.clearTimer(this.#timer);
    if (this.#lingering !== undefined) this.#runtime.clearTimer(this.#lingering);
    if (this.#successor === undefined) {
      this.onOver?.();
      this.#owner.onGone(this);
    } else this.#successor.onClose(info);
  }

  onBatchEnd(): void {
    this.#successor?.onBatchEnd();
  }

  #data(carrier: Carrier, data: Uint8Array): void {
    if (this.#isOver) return;
    this.#heldBytes += data.length;
    const problem = this.acceptor.handleData(carrier.id, data);
    if (problem !== undefined) return this.#fail(problem);
    this.#owner.onHeld(this, data.length);
    if (this.#isRefused()) return;
    if (this.#isOpened) return;
    const opening = this.acceptor.pollOpening();
    if (opening === undefined) return;
    if ("code" in opening) return this.#fail(opening);
    this.#isOpened = true;
    if (this.link.capabilities.earlyData) void this.#decideWhenConfirmed(opening);
    else this.#owner.onOpening(this, opening);
  }

  /** What may be a replay starts nothing. spec: LINK-2 */
  async #decideWhenConfirmed(opening: Opening): Promise<void> {
    await this.link.confirmed;
    if (!this.#isOver) this.#owner.onOpening(this, opening);
  }

  /** Asked again after the owner had its say. */
  #isRefused(): boolean {
    return this.#isOver;
  }

  #fail({ code, reason }: ProtocolFailure): void {
    this.refuse({ code, text: reason, reason: reasonOf(code), retryAfterMs: 0 });
  }
}

const REFUSAL_LINGER_MS = 500;
