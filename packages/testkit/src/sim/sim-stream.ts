import { directionOf, homeOf, openerOf, type StreamId } from "@kwik/proto";
import { Flow } from "./flow.ts";

/** The side of a stream: the client, or the server that is its home. */
export type Side = "client" | "server";

/** The application at one side of a stream, as far as the stream needs it. */
export interface StreamEnd {
  readonly isGone: boolean;
  work(id: StreamId): void;
  reset(id: StreamId, code: number): void;
  stopReading(id: StreamId, code: number): void;
  setPriority(id: StreamId, priority: number): void;
}

/** A stream of the simulated session, with both ends in one hand. What is asked of an end that does not exist yet waits for it. */
export class SimStream {
  readonly id: StreamId;
  readonly up: Flow | undefined;
  readonly down: Flow | undefined;
  readonly #ends: { client: StreamEnd | undefined; server: StreamEnd | undefined } = { client: undefined, server: undefined };

  constructor(id: StreamId) {
    this.id = id;
    const isOneWay = directionOf(id) === "unidirectional";
    const isFromClient = openerOf(id) === "client";
    this.up = !isOneWay || isFromClient ? new Flow(`stream ${id} up`, id * 2 + 1) : undefined;
    this.down = !isOneWay || !isFromClient ? new Flow(`stream ${id} down`, id * 2 + 2) : undefined;
  }

  get home(): number {
    return homeOf(this.id);
  }

  /** The direction in which a side writes. */
  flowFrom(side: Side): Flow | undefined {
    return side === "client" ? this.up : this.down;
  }

  /** The direction that a side reads. */
  flowTo(side: Side): Flow | undefined {
    return side === "client" ? this.down : this.up;
  }

  bind(side: Side, ends: StreamEnd): void {
    this.#ends[side] = ends;
  }

  endsOf(side: Side): StreamEnd | undefined {
    return this.#ends[side];
  }

  write(side: Side, bytes: number): void {
    const flow = this.flowFrom(side);
    if (flow === undefined || flow.isFinishWanted || flow.resetCode !== undefined) return;
    flow.wantedOffset += bytes;
    this.#ends[side]?.work(this.id);
  }

  finish(side: Side): void {
    const flow = this.flowFrom(side);
    if (flow === undefined || flow.resetCode !== undefined) return;
    flow.isFinishWanted = true;
    this.#ends[side]?.work(this.id);
  }

  reset(side: Side, code: number): void {
    const flow = this.flowFrom(side);
    if (flow !== undefined) this.#ends[side]?.reset(this.id, code);
  }

  stopReading(side: Side, code: number): void {
    if (this.flowTo(side) !== undefined) this.#ends[side]?.stopReading(this.id, code);
  }

  pause(side: Side): void {
    const flow = this.flowTo(side);
    if (flow !== undefined) flow.isPaused = true;
  }

  resume(side: Side): void {
    const flow = this.flowTo(side);
    if (flow === undefined || !flow.isPaused) return;
    flow.isPaused = false;
    this.#ends[side]?.work(this.id);
  }

  setPriority(side: Side, priority: number): void {
    this.#ends[side]?.setPriority(this.id, priority);
  }
}
