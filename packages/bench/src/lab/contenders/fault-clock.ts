import type { Fault } from "../cells/cell.ts";
import type { LabNetwork } from "../network/lab-network.ts";
import { epochMs } from "../process/arrival-log.ts";

/** Brings about a fault, and its end, at their time after the beginning. */
export class FaultClock {
  repairedAt: number | undefined;
  readonly #network: LabNetwork;
  readonly #fault: Fault | undefined;
  readonly #kill: (server: number) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  #isBroken = false;

  constructor(network: LabNetwork, fault: Fault | undefined, kill: (server: number) => void) {
    this.#network = network;
    this.#fault = fault;
    this.#kill = kill;
  }

  start(): void {
    const fault = this.#fault;
    if (fault === undefined) return;
    this.#timers.push(setTimeout(() => this.#break(fault), fault.afterMs));
    if (fault.lastsMs !== undefined) this.#timers.push(setTimeout(() => this.#repair(fault), fault.afterMs + fault.lastsMs));
  }

  /** The network is whole again for the next run. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#isBroken && this.#fault !== undefined) this.#repair(this.#fault);
  }

  #break(fault: Fault): void {
    this.#isBroken = true;
    if (fault.kind === "kill") this.#kill(fault.server);
    else if (fault.kind === "link-down") this.#network.linkDown(fault.line);
    else this.#network.openHole(fault.line, fault.side);
  }

  #repair(fault: Fault): void {
    this.#isBroken = false;
    this.repairedAt = epochMs();
    if (fault.kind === "link-down") this.#network.linkUp(fault.line);
    else if (fault.kind === "hole") this.#network.closeHole(fault.line);
  }
}
