import type { Rng } from "@kwik/proto";
import { Pipe, type DirectionShape } from "./pipe.ts";
import { SimLink } from "./sim-link.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A direction of a line, seen from the client. */
export type LineDirection = "up" | "down";

/** How a line behaves in each direction; down as up if not given. */
export interface LineShape {
  readonly up: DirectionShape;
  readonly down?: DirectionShape;
}

/** A line of so many Mbit/s and so long a round trip, the same both ways. */
export function lineOf(mbitPerSecond: number, roundTripMs: number, more: Partial<DirectionShape> = {}): LineShape {
  return { up: { rateBytesPerMs: mbitPerSecond * 125, delayMs: roundTripMs / 2, ...more } };
}

/** What lies between the client and one address of a server. Connections over it share its rate. */
export class Line {
  readonly index: number;
  readonly server: number;
  readonly address: string;
  readonly up: Pipe;
  readonly down: Pipe;
  readonly #clock: VirtualClock;
  readonly #links = new Set<SimLink>();

  constructor(index: number, server: number, clock: VirtualClock, rng: Rng, shape: LineShape) {
    this.index = index;
    this.server = server;
    this.address = `line-${index}.example:443`;
    this.#clock = clock;
    this.up = new Pipe(clock, rng, shape.up);
    this.down = new Pipe(clock, rng, shape.down ?? shape.up);
  }

  get roundTripMs(): number {
    return this.up.shape.delayMs + this.down.shape.delayMs;
  }

  connect(linkId: number): SimLink {
    const link = new SimLink(linkId, this.#clock, this.up, this.down);
    this.#links.add(link);
    return link;
  }

  /** A sign that travels like any other bytes: for handshakes. */
  signal(direction: LineDirection, linkId: number, arrive: () => void): void {
    this[direction].send({ bytes: 1, orderKey: `${linkId}:handshake`, isVoid: () => false, arrive });
  }

  blackhole(direction: LineDirection | "both"): void {
    if (direction !== "down") this.up.blackhole();
    if (direction !== "up") this.down.blackhole();
  }

  heal(): void {
    this.up.heal();
    this.down.heal();
  }

  /** Every connection over the line breaks, and both ends are told. */
  cut(): void {
    for (const link of this.#links) link.cut("the line was cut");
    this.#links.clear();
  }

  setRate(rateBytesPerMs: number): void {
    this.up.shape = { ...this.up.shape, rateBytesPerMs };
    this.down.shape = { ...this.down.shape, rateBytesPerMs };
  }
}
