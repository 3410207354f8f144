import type { Limits, Rng, SchedulerFactory } from "@kwik/proto";
import type { Incidents } from "../guards/incidents.ts";
import type { SimContent } from "./content-shelf.ts";
import type { Line } from "./line.ts";
import type { SimLinkEnd } from "./sim-link.ts";
import type { SimStream } from "./sim-stream.ts";
import type { HostClock } from "./host-clock.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Somebody who takes connections. */
export interface Acceptor {
  readonly isRunning: boolean;
  readonly clock: HostClock;
  accept(end: SimLinkEnd, line: Line): void;
}

/** What the parts of a simulated world have in common, and the clock of the one that it is given to. */
export interface Setting {
  readonly clock: HostClock;
  readonly rng: Rng;
  readonly incidents: Incidents;
  readonly streams: Map<number, SimStream>;
  readonly contents: Map<string, SimContent>;
  readonly scheduler: SchedulerFactory;
  readonly clientLimits: Limits;
  readonly serverLimits: Limits;
  /** Time of one check of a block's hash. */
  readonly hashMs: number;
}

/** The lines, and who listens at their ends. */
export class Network {
  readonly lines: readonly Line[];
  readonly #clock: VirtualClock;
  readonly #acceptors: readonly Acceptor[];
  #nextLink = 1;

  constructor(clock: VirtualClock, lines: readonly Line[], acceptors: readonly Acceptor[]) {
    this.#clock = clock;
    this.lines = lines;
    this.#acceptors = acceptors;
  }

  lineTo(address: string): Line | undefined {
    return this.lines.find((line) => line.address === address);
  }

  /** Makes a connection in one round trip; undefined if nobody is there, or nothing comes back within `timeoutMs`. */
  dial(line: Line, timeoutMs: number, done: (end: SimLinkEnd | undefined) => void): void {
    const linkId = this.#nextLink++;
    const acceptor = this.#acceptors[line.server] as Acceptor;
    let isOver = false;
    const finish = (end: SimLinkEnd | undefined): void => {
      if (isOver) {
        end?.close(0, "too late");
        return;
      }
      isOver = true;
      this.#clock.cancel(timeout);
      done(end);
    };
    const timeout = this.#clock.schedule(timeoutMs, () => finish(undefined));
    line.signal("up", linkId, () =>
      acceptor.clock.run(() => {
        if (!acceptor.isRunning) return line.signal("down", linkId, () => finish(undefined));
        const link = line.connect(linkId);
        acceptor.accept(link.server, line);
        // A server that is killed leaves the other end in the dark; one that runs again does not know the connection.
        link.server.onOrphan = () => {
          if (acceptor.isRunning) line.signal("down", linkId, () => link.client.drop(0, "the server does not know this connection", true));
        };
        return line.signal("down", linkId, () => finish(link.client));
      }),
    );
  }
}
