import { ErrorCode, type PathId, type Session, type SessionEvent, type StreamEntry, type Transmit } from "@kwik/proto";
import type { Carrier, Link, LinkCloseInfo } from "../transport/link.ts";
import { LinkBinding, type LinkOwner } from "./link-binding.ts";
import type { Runtime } from "./runtime.ts";

/** Who is told what happened in the session. */
export interface SessionObserver {
  onEvent(event: SessionEvent): void;
  onIncoming(entry: StreamEntry): void;
  /** Signals are set on the entry; the observer clears them. */
  onStream(entry: StreamEntry): void;
  onContributionsChanged(): void;
  onDatagram(data: Uint8Array): void;
}

/** Somebody who keeps small writes back until the pump's next turn, so that they go out together. */
export interface Gatherer {
  /** Hands on what was gathered. */
  flush(): void;
}

/** Somebody with memory that is of use only while much is under way. */
export interface Resting {
  /** A moment after `rest`: lets go of the memory if there is still nothing under way, or in any case if all `isOver`. */
  settle(isOver: boolean): void;
}

/** The pump writes at most so many packets, so many times, before the event loop gets its chance. */
const MAX_TRANSMITS_PER_TURN = 1024;
const MAX_TURNS = 8;

/** Hosts take a longer delay for none at all. */
const MAX_TIMER_MS = 0x7fff_ffff;

/**
 * The one pump of a session: puts what links bring into the state machine, and carries out what it polls. One timer, no promise
 * per packet.
 */
export class SessionDriver implements LinkOwner {
  readonly session: Session;
  readonly runtime: Runtime;
  readonly #observer: SessionObserver;
  readonly #links = new Map<PathId, LinkBinding>();
  readonly #gatherers: Gatherer[] = [];
  readonly #unlinking: (() => void)[] = [];
  #resting: Resting[] = [];
  #timer: unknown;
  #timerAt = Number.POSITIVE_INFINITY;
  #isScheduled = false;
  #lastGatherer: Gatherer | undefined;
  /** Several write at present: what the others have to say is likely to be at hand too. */
  #isShared = false;
  #isPumping = false;
  #hasFailed = false;

  constructor(session: Session, runtime: Runtime, observer: SessionObserver) {
    this.session = session;
    this.runtime = runtime;
    this.#observer = observer;
  }

  /** Takes a link that nobody is attached to yet. */
  attach(pathId: PathId, link: Link): void {
    const binding = new LinkBinding(this, pathId, link);
    this.#links.set(pathId, binding);
    link.attach(binding);
  }

  /** Takes a link whose first bytes were read by somebody else; that one passes the rest on to the binding. */
  adopt(pathId: PathId, link: Link, carriers: Iterable<Carrier>): LinkBinding {
    const binding = new LinkBinding(this, pathId, link);
    for (const carrier of carriers) binding.know(carrier);
    this.#links.set(pathId, binding);
    return binding;
  }

  linkOf(pathId: PathId): Link | undefined {
    return this.#links.get(pathId)?.link;
  }

  links(): IterableIterator<LinkBinding> {
    return this.#links.values();
  }

  /** Pumps once the present turn of the application is over; where several streams are written, once all input that is at hand has been taken: one turn then serves all. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { runtime } = this;
    if (this.#isShared) runtime.afterInput(this.#onTurn);
    else runtime.queueMicrotask(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false;
    this.pump();
  };

  /** Flushes `gatherer` in the pump's next turn, which is scheduled. */
  gather(gatherer: Gatherer): void {
    this.#isShared = gatherer !== this.#lastGatherer;
    this.#lastGatherer = gatherer;
    this.#gatherers.push(gatherer);
    this.schedule();
  }

  /** Nothing of `resting` is under way; it is told to settle when the timer next goes off. Not to be repeated before that. */
  rest(resting: Resting): void {
    this.#resting.push(resting);
  }

  pump(): void {
    if (this.#isPumping) this.schedule();
    else this.#run(() => this.#turn());
  }

  /**
   * What the network brought is in the state machine. The application hears of it first: what it answers at once, and the
   * acknowledgements, then leave together.
   */
  batchEnd(): void {
    if (!this.#isPumping) this.#run(() => this.#tell());
    this.schedule();
  }

  #run(work: () => void): void {
    if (this.#hasFailed) return;
    this.#isPumping = true;
    try {
      work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isPumping = false;
    }
  }

  /**
   * A fault of this implementation, thrown out of the state machine: its facts can't be trusted any more. This session ends with
   * INTERNAL_ERROR, and nothing else does.
   */
  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.session.state.hasEnded = true;
    this.stop();
    const reason = `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    for (const binding of this.#links.values()) binding.link.close(ErrorCode.INTERNAL_ERROR, "internal error");
    this.#observer.onEvent({ type: "ended", code: ErrorCode.INTERNAL_ERROR, reason, remote: false, application: false });
    for (const entry of [...this.session.state.streams.values()]) this.#observer.onStream(entry);
  }

  /** Puts something rare into the state machine. */
  attempt(input: (session: Session, now: number) => void): void {
    if (this.#hasFailed) return;
    try {
      input(this.session, this.runtime.now());
    } catch (error) {
      this.fail(error);
    }
  }

  /** Resolves when no link is left. */
  unlinked(): Promise<void> {
    return this.#links.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#unlinking.push(resolve));
  }

  linkClosed(pathId: PathId, info: LinkCloseInfo): void {
    this.#links.delete(pathId);
    if (this.#links.size === 0) for (const resolve of this.#unlinking.splice(0)) resolve();
    const code = info.code === 0 && !info.remote ? ErrorCode.LINK_LOST : info.code || ErrorCode.LINK_LOST;
    this.attempt((session, now) => session.linkLost(now, pathId, code, info.reason === "" ? "the connection ended" : info.reason));
    this.pump();
  }

  /** Lets go of timers; every link must be closed. */
  stop(): void {
    if (this.#timer !== undefined) this.runtime.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#settle(true);
  }

  #turn(): void {
    for (let gatherer = this.#gatherers.pop(); gatherer !== undefined; gatherer = this.#gatherers.pop()) gatherer.flush();
    const now = this.runtime.now();
    let isMore = true;
    for (let turn = 0; isMore && turn < MAX_TURNS; turn += 1) {
      isMore = !this.#transmit(now);
      isMore = this.#tell() || isMore;
      const due = isMore ? undefined : this.session.pollTimeout();
      if (due === undefined || due > now) continue;
      this.session.handleTimeout(now);
      isMore = true;
    }
    this.#setTimer(isMore);
  }

  /** Answers whether everything was sent that could be. */
  #transmit(now: number): boolean {
    for (let count = 0; count < MAX_TRANSMITS_PER_TURN; count += 1) {
      const transmit = this.session.pollTransmit(now);
      if (transmit === undefined) return true;
      this.#carryOut(transmit, now);
    }
    return false;
  }

  #carryOut(transmit: Transmit, now: number): void {
    const binding = this.#links.get(transmit.pathId);
    switch (transmit.kind) {
      case "send":
        binding?.carrier(transmit.carrier)?.send(transmit.parts);
        return;
      case "open":
        this.session.handleCarrierOpened(now, transmit.pathId, binding?.open());
        return;
      case "datagram":
        binding?.link.sendDatagram(transmit.data);
        return;
      case "reset-carrier":
        binding?.reset(transmit.carrier);
        return;
      case "close":
        binding?.link.close(transmit.code, transmit.reason);
        return;
      default:
        transmit satisfies never;
    }
  }

  /** Tells the observer; answers whether anything was told (which may have made more to send). */
  #tell(): boolean {
    let told = false;
    const { session } = this;
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      told = true;
      if (event.type === "datagram") this.#observer.onDatagram(event.data);
      else this.#observer.onEvent(event);
    }
    for (let entry = session.pollIncomingStream(false); entry !== undefined; entry = session.pollIncomingStream(false)) {
      told = true;
      this.#observer.onIncoming(entry);
    }
    for (let entry = session.pollChangedStream(); entry !== undefined; entry = session.pollChangedStream()) {
      told = true;
      this.#observer.onStream(entry);
    }
    if (session.server?.contributions.hasChanged === true) {
      told = true;
      this.#observer.onContributionsChanged();
    }
    return told;
  }

  #settle(isOver: boolean): void {
    const resting = this.#resting;
    if (resting.length === 0) return;
    this.#resting = [];
    for (const one of resting) one.settle(isOver);
  }

  #setTimer(isMore: boolean): void {
    const at = isMore ? 0 : (this.session.pollTimeout() ?? Number.POSITIVE_INFINITY);
    // Nothing is left to do: a timer would only keep the process alive.
    if (at === Number.POSITIVE_INFINITY) {
      this.stop();
      return;
    }
    // A timer that is a little early only looks and sets itself again; most deadlines move on with every packet.
    if (at >= this.#timerAt && this.#timer !== undefined) return;
    if (this.#timer !== undefined) this.runtime.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#timerAt = at;
    this.#timer = this.runtime.setTimer(
      () => {
        this.#timer = undefined;
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#settle(false);
        this.pump();
      },
      Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(at - this.runtime.now()))),
    );
  }
}
