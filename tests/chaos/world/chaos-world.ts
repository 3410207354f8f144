import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileEmulator, LabNetwork } from "@kwik/bench/network";
import { initCluster, type IssuedServer, issueServer } from "@kwik/trust";
import { GRACE_MS, type Plan } from "../plan/make-plan.ts";
import { nameOf, type ProcessRef } from "../plan/fault.ts";
import type { ClientArgument } from "../process/client-process.ts";
import type { ServerArgument } from "../process/server-process.ts";
import { type ChaosListener, ChaosProcess } from "./chaos-process.ts";
import { SmallDisk } from "./small-disk.ts";

const PORT = 4433;
/**
 * Longer than a row of faults, and what follows from them: grace, dialling again, slow lines that have to be emptied. A content is delivered in blocks of 256 KiB, so
 * its reader sees nothing for long while servers come and go.
 */
const STALL_MS = 120_000;
const SERVER_FILE = fileURLToPath(new URL("../process/server-process.ts", import.meta.url));
const CLIENT_FILE = fileURLToPath(new URL("../process/client-process.ts", import.meta.url));

/** The network of a plan, and the processes on it. */
export class ChaosWorld implements AsyncDisposable {
  readonly network: LabNetwork;
  readonly #plan: Plan;
  readonly #listener: ChaosListener;
  readonly #folder: string;
  readonly #disks: SmallDisk[] = [];
  readonly #issued: IssuedServer[] = [];
  readonly #processes = new Map<string, ChaosProcess>();
  #ca = "";
  /** Of processes, so that each new one has a seed of its own. */
  #started = 0;

  private constructor(plan: Plan, network: LabNetwork, folder: string, listener: ChaosListener) {
    this.#plan = plan;
    this.network = network;
    this.#folder = folder;
    this.#listener = listener;
  }

  /** Makes it, with servers and clients that do nothing yet. */
  static async make(plan: Plan, listener: ChaosListener): Promise<ChaosWorld> {
    LabNetwork.removeStale();
    const folder = mkdtempSync(join(tmpdir(), "kwik-chaos-"));
    const network = await LabNetwork.make("servers", plan.lines, compileEmulator(folder));
    const world = new ChaosWorld(plan, network, folder, listener);
    try {
      await world.#build();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get servers(): readonly number[] {
    return this.#plan.lines.map((_, index) => index);
  }

  get clients(): readonly number[] {
    return Array.from({ length: this.#plan.clients }, (_, index) => index);
  }

  /** The process that is there at present; undefined while there is none. */
  process(ref: ProcessRef): ChaosProcess | undefined {
    return this.#processes.get(nameOf(ref));
  }

  /** All that are there. */
  all(): readonly ChaosProcess[] {
    return [...this.#processes.values()];
  }

  async start(ref: ProcessRef): Promise<ChaosProcess> {
    this.#started += 1;
    const seed = (this.#plan.seed % 10_000) * 1_000 + this.#started;
    const started = "server" in ref ? await this.#startServer(ref.server, seed) : await this.#startClient(ref.client, seed);
    this.#processes.set(nameOf(ref), started);
    return started;
  }

  /** Takes a process out of the world: it is about to end. */
  take(ref: ProcessRef): ChaosProcess | undefined {
    const taken = this.process(ref);
    this.#processes.delete(nameOf(ref));
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all().map((one) => one.kill()));
    await this.network.remove();
    for (const disk of this.#disks) disk.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #build(): Promise<void> {
    const cluster = join(this.#folder, "cluster");
    const { caFile } = await initCluster(cluster);
    this.#ca = readFileSync(caFile, "utf8");
    for (const index of this.servers) {
      this.#issued.push(await issueServer(cluster, { hosts: [this.network.serverAddress(index)], name: `server-${index}` }));
    }
    for (const index of this.clients) this.#disks.push(SmallDisk.make(join(this.#folder, `disk-${index}`)));
    await Promise.all([...this.servers.map((server) => this.start({ server })), ...this.clients.map((client) => this.start({ client }))]);
  }

  #address(server: number): string {
    return `${this.network.serverAddress(server)}:${PORT}`;
  }

  #startServer(server: number, seed: number): Promise<ChaosProcess> {
    const issued = this.#issued[server];
    if (issued === undefined) throw new RangeError(`there is no server ${server}`);
    const argument: ServerArgument = {
      address: this.#address(server),
      peers: this.servers.filter((other) => other !== server).map((other) => this.#address(other)),
      ...{ certFile: issued.certFile, keyFile: issued.keyFile, clusterFile: issued.clusterFile },
      ...{ graceMs: GRACE_MS, stallMs: STALL_MS, seed },
    };
    return this.#startProcess(nameOf({ server }), server, SERVER_FILE, argument);
  }

  #startClient(client: number, seed: number): Promise<ChaosProcess> {
    const folder = this.#disks[client]?.folder ?? this.#folder;
    mkdirSync(folder, { recursive: true });
    const argument: ClientArgument = {
      servers: this.servers.map((server) => this.#address(server)),
      ca: this.#ca,
      ...{ graceMs: GRACE_MS, stallMs: STALL_MS, folder, seed },
    };
    return this.#startProcess(nameOf({ client }), "client", CLIENT_FILE, argument);
  }

  #startProcess(name: string, host: number | "client", file: string, argument: object): Promise<ChaosProcess> {
    return ChaosProcess.start(name, {
      spawn: (command, options) => this.network.spawn(host, command, options),
      file,
      argument,
      listener: this.#listener,
    });
  }
}
