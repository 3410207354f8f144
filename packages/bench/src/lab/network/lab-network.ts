import { type ChildProcess, spawn } from "node:child_process";
import { hostCommand, tryHostCommand } from "./host-command.ts";
import { dropRules, isDelayed, type Line, type LineDrops, shaperArguments } from "./line.ts";
import { type EmulatorReport, LinkEmulator } from "./link-emulator.ts";

/** Namespaces are named for their owner, so that what a killed run left is found again. */
const NAME_PREFIX = "kwik-lab-";
const CLIENT = "client";
const ROUTER = "router";

/**
 * How client and servers are joined: each server by its own line, one server by all lines, or all servers behind one line. With "relays" each server has its own line, and the
 * others are joined with the first by lines of their own, which are as fast as the machine.
 */
export type Topology = "servers" | "home" | "shared" | "relays";

/** Which way packets of a black hole disappear. */
export type HoleSide = "both" | "to-client" | "to-server";

let made = 0;

/** The hosts of one topology and the lines between them. Line numbers count from 0. */
export class LabNetwork {
  readonly topology: Topology;
  readonly lines: readonly Line[];
  readonly #prefix: string;
  readonly #hosts = new Set<string>();
  readonly #emulators: LinkEmulator[] = [];
  readonly #serverCount: number;
  /** What is lost of each line at present. */
  readonly #drops: { share: number; hole: HoleSide | undefined }[];

  private constructor(topology: Topology, lines: readonly Line[], serverCount: number) {
    this.topology = topology;
    this.lines = lines;
    this.#serverCount = serverCount;
    this.#drops = lines.map((line) => ({ share: line.lossShare ?? 0, hole: undefined }));
    made += 1;
    this.#prefix = `${NAME_PREFIX}${process.pid}-${made}-`;
  }

  /** Makes it. With `shared` there is one line, and `serverCount` servers behind it. */
  static async make(topology: Topology, lines: readonly Line[], emulator: string, serverCount = lines.length): Promise<LabNetwork> {
    const network = new LabNetwork(topology, lines, serverCount);
    try {
      await network.#build(emulator);
      return network;
    } catch (error) {
      await network.remove();
      throw error;
    }
  }

  /** Removes the namespaces of runs that were killed. */
  static removeStale(): void {
    for (const entry of hostCommand("ip", ["netns", "list"]).split("\n")) {
      const name = entry.split(" ")[0] ?? "";
      const owner = new RegExp(`^${NAME_PREFIX}(\\d+)-`).exec(name)?.[1];
      if (owner === undefined || isAlive(Number(owner))) continue;
      removeNamespace(name);
    }
  }

  get serverCount(): number {
    return this.topology === "home" ? 1 : this.#serverCount;
  }

  /** The address to reach over line (or, behind a shared one, at server) `index`. */
  serverAddress(index: number): string {
    return `10.78.${index + 1}.1`;
  }

  /** Starts a program on the client, or on server `host`. It is killed with the network. */
  spawn(host: number | "client", command: readonly string[], options: Parameters<typeof spawn>[2]): ChildProcess {
    return spawn("ip", ["netns", "exec", this.#namespace(host === "client" ? CLIENT : this.#serverHost(host)), ...command], options);
  }

  /** Runs a program on a host to its end; its standard output. */
  run(host: number | "client", program: string, ...args: readonly string[]): string {
    const namespace = this.#namespace(host === "client" ? CLIENT : this.#serverHost(host));
    return hostCommand("ip", ["netns", "exec", namespace, program, ...args]);
  }

  /** The client's device of line `index`. */
  device(index: number): string {
    return `line${index + 1}`;
  }

  linkDown(index: number): void {
    this.#ip(CLIENT, "link", "set", this.device(index), "down");
  }

  linkUp(index: number): void {
    this.#ip(CLIENT, "link", "set", this.device(index), "up");
  }

  /** From now on packets of the line disappear without a word. */
  openHole(index: number, side: HoleSide): void {
    this.#dropsOf(index).hole = side;
    this.#applyDrops(index);
  }

  closeHole(index: number): void {
    this.#dropsOf(index).hole = undefined;
    this.#applyDrops(index);
  }

  /** From now on the line has another rate; the queue before it becomes as long as that of a line of this rate. */
  setRate(index: number, megabitsPerSecond: number): void {
    const line = this.lines[index];
    if (line === undefined) throw new RangeError(`there is no line ${index}`);
    for (const host of [CLIENT, this.#farHost(index)]) this.#shape(host, index, { ...line, megabitsPerSecond });
  }

  /** From now on the line loses this share of the packets of each direction, 0 to 1. */
  setLoss(index: number, share: number): void {
    this.#dropsOf(index).share = share;
    this.#applyDrops(index);
  }

  /**
   * From now on the TCP connections of every server begin with this congestion control. With the route, since another network than the machine's first may not make an algorithm its
   * default that the machine allows root only. Throws where the kernel does not have it, and for networks without a shared line.
   */
  setCongestionControl(algorithm: string): void {
    if (this.topology !== "shared") throw new Error("only servers behind a shared line have one route for everything");
    for (let index = 0; index < this.#serverCount; index += 1) {
      this.#ip(this.#serverHost(index), "route", "replace", "default", "via", `10.78.${index + 1}.254`, "congctl", algorithm);
    }
  }

  /**
   * Sends what the client has for 127.0.0.1 over line `index`, because the bare engine only knows that address. It is the other end's own there.
   */
  routeLoopback(index: number): void {
    this.#ip(CLIENT, "route", "replace", "127.0.0.1/32", "via", this.serverAddress(index), "dev", this.device(index));
  }

  /** Takes everything away, with whatever still runs in it; what the emulators did. May be called again. */
  async remove(): Promise<readonly EmulatorReport[]> {
    for (const host of this.#hosts) killProcesses(this.#namespace(host));
    const reports = await Promise.all(this.#emulators.splice(0).map((one) => one.stop()));
    this.removeNow();
    return reports.filter((report) => report !== undefined);
  }

  /** The same at once, for the end of the process. */
  removeNow(): void {
    for (const emulator of this.#emulators) emulator.kill();
    for (const host of this.#hosts) removeNamespace(this.#namespace(host));
    this.#hosts.clear();
  }

  async #build(emulator: string): Promise<void> {
    const hosts = [CLIENT, ...Array.from({ length: this.serverCount }, (_, index) => `server${index + 1}`)];
    if (this.topology === "shared") hosts.push(ROUTER);
    for (const host of hosts) this.#addHost(host);
    if (this.topology === "shared") await this.#buildShared(emulator);
    else {
      for (const [index, line] of this.lines.entries()) {
        await this.#addLine(emulator, index, line, this.#serverHost(index));
        this.#ip(CLIENT, "addr", "add", `10.78.${index + 1}.2/24`, "dev", this.device(index));
        this.#ip(this.#serverHost(index), "addr", "add", `${this.serverAddress(index)}/24`, "dev", this.device(index));
      }
    }
    if (this.topology === "relays") this.#buildBackbone();
    for (const host of hosts) this.#applyDropsAt(host);
  }

  /** Joins every server with the first, at the address at which clients reach that one. */
  #buildBackbone(): void {
    const first = this.#serverHost(0);
    for (let index = 1; index < this.#serverCount; index += 1) {
      const [host, device, network] = [this.#serverHost(index), `backbone${index}`, `10.79.${index}`];
      const ends = ["netns", this.#namespace(first), "type", "veth", "peer", "name", device, "netns", this.#namespace(host)];
      hostCommand("ip", ["link", "add", device, ...ends]);
      this.#ip(first, "addr", "add", `${network}.1/24`, "dev", device);
      this.#ip(host, "addr", "add", `${network}.2/24`, "dev", device);
      for (const end of [first, host]) this.#ip(end, "link", "set", device, "up");
      this.#ip(host, "route", "add", `${this.serverAddress(0)}/32`, "via", `${network}.1`);
    }
  }

  async #buildShared(emulator: string): Promise<void> {
    const [line] = this.lines;
    if (line === undefined) throw new Error("a shared line is missing");
    await this.#addLine(emulator, 0, line, ROUTER);
    this.#ip(CLIENT, "addr", "add", "10.78.200.2/24", "dev", this.device(0));
    this.#ip(ROUTER, "addr", "add", "10.78.200.1/24", "dev", this.device(0));
    this.#ip(CLIENT, "route", "add", "10.78.0.0/16", "via", "10.78.200.1");
    for (let index = 0; index < this.#serverCount; index += 1) {
      const [host, near] = [this.#serverHost(index), `server${index + 1}`];
      hostCommand("ip", [
        "link",
        "add",
        near,
        "netns",
        this.#namespace(ROUTER),
        "type",
        "veth",
        "peer",
        "name",
        "uplink",
        "netns",
        this.#namespace(host),
      ]);
      this.#ip(ROUTER, "addr", "add", `10.78.${index + 1}.254/24`, "dev", near);
      this.#ip(host, "addr", "add", `${this.serverAddress(index)}/24`, "dev", "uplink");
      this.#ip(ROUTER, "link", "set", near, "up");
      this.#ip(host, "link", "set", "uplink", "up");
      this.#ip(host, "route", "add", "default", "via", `10.78.${index + 1}.254`);
    }
  }

  #addHost(host: string): void {
    const namespace = this.#namespace(host);
    hostCommand("ip", ["netns", "add", namespace]);
    this.#hosts.add(host);
    // The client has no loopback, but where its programs talk to each other: see routeLoopback. A server asks the route to its own address for the size of its packets.
    if (host !== CLIENT || this.topology === "relays") this.#ip(host, "link", "set", "lo", "mtu", "1500", "up");
    const settings = [
      "net.ipv4.ip_forward=1",
      "net.ipv4.conf.all.rp_filter=0",
      "net.ipv4.conf.default.rp_filter=0",
      "net.ipv4.conf.all.route_localnet=1",
      // As much for TCP as it wants: these lines must not be limited by a host's buffers, and results of an earlier run are no help.
      "net.ipv4.tcp_rmem=4096 131072 33554432",
      "net.ipv4.tcp_wmem=4096 65536 33554432",
      "net.ipv4.tcp_no_metrics_save=1",
      "net.mptcp.enabled=1",
    ];
    hostCommand("ip", ["netns", "exec", namespace, "sysctl", "-qw", ...settings]);
  }

  async #addLine(emulator: string, index: number, line: Line, farHost: string): Promise<void> {
    const device = this.device(index);
    const [near, far] = [this.#namespace(CLIENT), this.#namespace(farHost)];
    if (isDelayed(line)) {
      const ends = [
        { namespace: near, device },
        { namespace: far, device },
      ] as const;
      this.#emulators.push(await LinkEmulator.start(emulator, ends, (line.roundTripMs ?? 0) / 2, (line.jitterMs ?? 0) / 2));
    } else hostCommand("ip", ["link", "add", device, "netns", near, "type", "veth", "peer", "name", device, "netns", far]);
    for (const host of [CLIENT, farHost]) {
      this.#ip(host, "link", "set", device, "mtu", "1500", "txqueuelen", "1000", "up");
      this.#shape(host, index, line);
    }
  }

  #dropsOf(index: number): { share: number; hole: HoleSide | undefined } {
    const drops = this.#drops[index];
    if (drops === undefined) throw new RangeError(`there is no line ${index}`);
    return drops;
  }

  #applyDrops(index: number): void {
    for (const host of [CLIENT, this.#farHost(index)]) this.#applyDropsAt(host);
  }

  #applyDropsAt(host: string): void {
    const arriving = host === CLIENT ? "to-client" : "to-server";
    const drops = this.#drops.map(
      ({ share, hole }, index): LineDrops => ({ device: this.device(index), share, isHole: hole === "both" || hole === arriving }),
    );
    hostCommand("ip", ["netns", "exec", this.#namespace(host), "nft", "-f", "-"], dropRules(drops));
  }

  #shape(host: string, index: number, line: Line): void {
    hostCommand("tc", ["-n", this.#namespace(host), "qdisc", "replace", "dev", this.device(index), "root", ...shaperArguments(line)]);
  }

  /** Where line `index` ends: at a server, or at the router behind which all of them are. */
  #farHost(index: number): string {
    return this.topology === "shared" ? ROUTER : this.#serverHost(index);
  }

  #serverHost(index: number): string {
    return `server${this.topology === "home" ? 1 : index + 1}`;
  }

  #namespace(host: string): string {
    return `${this.#prefix}${host}`;
  }

  #ip(host: string, ...args: readonly string[]): string {
    return hostCommand("ip", ["-n", this.#namespace(host), ...args]);
  }
}

function removeNamespace(name: string): void {
  killProcesses(name);
  tryHostCommand("ip", ["netns", "del", name]);
}

/** Only what runs inside: the namespace is the laboratory's own. */
function killProcesses(namespace: string): void {
  let pids = "";
  try {
    pids = hostCommand("ip", ["netns", "pids", namespace]);
  } catch {
    return;
  }
  for (const pid of pids.split("\n").filter((text) => text !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // it has just ended
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
