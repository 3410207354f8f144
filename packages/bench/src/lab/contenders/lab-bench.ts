import type { Cell } from "../cells/cell.ts";
import type { LabNetwork, Topology } from "../network/lab-network.ts";
import { HostProcess } from "../process/host-process.ts";
import type { Direction } from "../process/lab-stream.ts";
import type { ContentFile } from "./content-file.ts";

/** One run that is to be made. */
export interface RunOrder {
  readonly cell: Cell;
  readonly contender: string;
  readonly direction: Direction;
  readonly repeat: number;
}

/** The networks of a cell and what stays in them from run to run. */
export class LabBench {
  readonly cell: Cell;
  readonly files: ContentFile;
  /** A client with a flow of its own, whose share is to be measured. */
  beside: HostProcess | undefined = undefined;
  readonly #networks: ReadonlyMap<Topology, LabNetwork>;
  readonly #counters = new Map<LabNetwork, HostProcess>();

  constructor(cell: Cell, networks: ReadonlyMap<Topology, LabNetwork>, files: ContentFile) {
    this.cell = cell;
    this.#networks = networks;
    this.files = files;
  }

  network(topology: Topology): LabNetwork {
    const network = this.#networks.get(topology);
    if (network === undefined) throw new Error(`this cell has no topology ${topology}`);
    return network;
  }

  /** The process that reads the client's counters. */
  async counter(network: LabNetwork): Promise<HostProcess> {
    let found = this.#counters.get(network);
    if (found === undefined) {
      const devices = network.lines.map((_, index) => network.device(index));
      found = await HostProcess.start(network, "client", "counter", { devices });
      this.#counters.set(network, found);
    }
    return found;
  }
}
