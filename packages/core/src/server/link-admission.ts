import { ErrorCode, PathAcceptor, type Limits, type Opening, type ProtocolFailure } from "@kwik/proto";
import type { Runtime } from "../driver/runtime.ts";
import type { Carrier, Link, LinkCloseInfo, LinkReceiver } from "../transport/link.ts";

/** Who decides about a link's first message; answers where its input goes from now on, or refuses. */
export type AdmissionDecision = (admission: LinkAdmission, opening: Opening) => void;

/**
 * A link that has come to a listener and belongs to no session yet. Bytes before the decision are held and bounded; a link that says
 * nothing in time is closed. Afterwards it passes everything on.
 */
export class LinkAdmission implements LinkReceiver {
  readonly link: Link;
  readonly acceptor: PathAcceptor;
  readonly #carriers = new Map<number, Carrier>();
  readonly #runtime: Runtime;
  readonly #onRefused: (reason: string) => void;
  readonly #onGone: () => void;
  readonly #decide: AdmissionDecision;
  #timer: unknown;
  #lingering: unknown;
  #successor: LinkReceiver | undefined;
  #isOpened = false;
  #isOver = false;

  constructor(
    link: Link,
    limits: Limits,
    runtime: Runtime,
    checksum: ((data: Uint8Array, seed: number) => number) | undefined,
    decide: AdmissionDecision,
    onRefused: (reason: string) => void,
    /** The link ended before anything was decided. */
    onGone: () => void,
  ) {
    this.link = link;
    this.#runtime = runtime;
    this.#decide = decide;
    this.#onRefused = onRefused;
    this.#onGone = onGone;
    this.acceptor = new PathAcceptor({ limits, checksum, requireChecksum: !link.capabilities.encrypted });
    this.#timer = runtime.setTimer(
      () => this.refuse(ErrorCode.TIMEOUT, `no hello within ${limits.handshakeTimeoutMs} ms`),
      limits.handshakeTimeoutMs,
    );
  }

  carriers(): IterableIterator<Carrier> {
    return this.#carriers.values();
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
  refuse(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#runtime.clearTimer(this.#timer);
    this.#onRefused(reason);
    const control = this.acceptor.input.controlCarrier;
    const carrier = control === undefined ? undefined : this.#carriers.get(control);
    if (carrier === undefined) {
      this.link.close(code, reason);
      return;
    }
    carrier.send([PathAcceptor.refusal(code, reason)]);
    this.#lingering = this.#runtime.setTimer(() => this.link.close(code, reason), REFUSAL_LINGER_MS);
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
    if (this.#successor === undefined) this.#onGone();
    else this.#successor.onClose(info);
  }

  onBatchEnd(): void {
    this.#successor?.onBatchEnd();
  }

  #data(carrier: Carrier, data: Uint8Array): void {
    if (this.#isOver) return;
    const problem = this.acceptor.handleData(carrier.id, data);
    if (problem !== undefined) return this.#fail(problem);
    if (this.#isOpened) return;
    const opening = this.acceptor.pollOpening();
    if (opening === undefined) return;
    if ("code" in opening) return this.#fail(opening);
    this.#isOpened = true;
    if (this.link.capabilities.earlyData) void this.#decideWhenConfirmed(opening);
    else this.#decide(this, opening);
  }

  /** What may be a replay starts nothing. spec: LINK-2 */
  async #decideWhenConfirmed(opening: Opening): Promise<void> {
    await this.link.confirmed;
    if (!this.#isOver) this.#decide(this, opening);
  }

  #fail(problem: ProtocolFailure): void {
    this.refuse(problem.code, problem.reason);
  }
}

const REFUSAL_LINGER_MS = 500;
