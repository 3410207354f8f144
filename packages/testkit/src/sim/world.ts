import { DEFAULT_LIMITS, schedulerFactory, SeededRng, type Limits, type StreamDirection } from "@kwik/proto";
import { Incidents, type IncidentKind } from "../guards/incidents.ts";
import { leftovers, unfinishedWork, wasted } from "../guards/leftovers.ts";
import { MemoryGuard } from "../guards/memory-guard.ts";
import { ClientNode } from "./client-node.ts";
import { ContentShelf, type ShelfOptions, type SimContent } from "./content-shelf.ts";
import type { Endpoint } from "./endpoint.ts";
import { HostClock } from "./host-clock.ts";
import { Line, type LineShape } from "./line.ts";
import { Network, type Setting } from "./network.ts";
import { ServerNode, type RequestResult } from "./server-node.ts";
import type { SimStream } from "./sim-stream.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A server of a world, and the lines that lead to it. */
export interface ServerOptions extends ShelfOptions {
  readonly lines: readonly LineShape[];
}

export interface WorldOptions {
  /** Everything that is random comes from it. */
  readonly seed?: number;
  /** The first one is the primary, dialled over its first line. */
  readonly servers: readonly ServerOptions[];
  readonly limits?: Partial<Limits>;
  /** The same as `limits` if not given. */
  readonly serverLimits?: Partial<Limits>;
  readonly scheduler?: "earliest-completion" | "min-rtt" | "round-robin";
  /** Incidents that this test is about; any other fails it. */
  readonly expected?: readonly IncidentKind[];
  readonly hashMs?: number;
  /** Actions between two checks of the guards; 16 by default. */
  readonly checkEvery?: number;
}

const MAX_WAIT_MS = 60_000;

/** One client, some servers, and what lies between them, in simulated time. Lines are numbered through all servers from 0. */
export class World {
  readonly clock = new VirtualClock();
  readonly incidents: Incidents;
  readonly lines: readonly Line[];
  readonly servers: readonly ServerNode[];
  readonly client: ClientNode;
  readonly streams = new Map<number, SimStream>();
  readonly clientMemory = new MemoryGuard();
  readonly serverMemory: readonly MemoryGuard[];
  readonly #contents = new Map<string, SimContent>();
  readonly #checkEvery: number;
  #steps = 0;

  constructor(options: WorldOptions) {
    const { clock } = this;
    const rng = new SeededRng(options.seed ?? 1);
    this.incidents = new Incidents(() => clock.now, options.expected ?? []);
    this.#checkEvery = options.checkEvery ?? 16;
    const clientLimits = { ...DEFAULT_LIMITS, ...options.limits };
    const setting: Omit<Setting, "clock"> = {
      rng,
      incidents: this.incidents,
      streams: this.streams,
      contents: this.#contents,
      scheduler: schedulerFactory(options.scheduler),
      clientLimits,
      serverLimits: { ...clientLimits, ...options.serverLimits },
      hashMs: options.hashMs ?? 0.2,
    };
    const lines: Line[] = [];
    options.servers.forEach((server, index) => {
      for (const shape of server.lines) lines.push(new Line(lines.length, index, clock, rng, shape));
    });
    this.lines = lines;
    const hosted = (): Setting => ({ ...setting, clock: new HostClock(clock) });
    this.servers = options.servers.map((server, index) => new ServerNode(index, hosted(), new ContentShelf(this.#contents, server)));
    this.serverMemory = this.servers.map(() => new MemoryGuard());
    this.client = new ClientNode(hosted(), new Network(clock, lines, this.servers), (line) => this.server(line.server).identity);
  }

  get now(): number {
    return this.clock.now;
  }

  /** The longest that any side waits for another. */
  get graceMs(): number {
    return Math.max(...this.endpoints().map((one) => one.session.state.limits.graceMs));
  }

  server(index: number): ServerNode {
    const server = this.servers[index];
    if (server === undefined) throw new RangeError(`there is no server ${index}`);
    return server;
  }

  line(index: number): Line {
    const line = this.lines[index];
    if (line === undefined) throw new RangeError(`there is no line ${index}`);
    return line;
  }

  /** Opens the session at the primary. */
  start(): this {
    this.client.start(this.line(0));
    this.until(() => this.client.isEstablished && this.server(0).endpoint !== undefined, "the session is established");
    return this;
  }

  /** Opens the session, and lets the primary ask for a path over every other line. */
  startAll(): this {
    this.start();
    for (const line of this.lines.slice(1)) {
      const result = this.addPath(0, line.index);
      if (result.code !== 0) throw new Error(`no path over line ${line.index}: ${result.reason}`);
    }
    this.advance(50);
    return this;
  }

  /** A server asks for a path over a line; waits for the result. */
  addPath(server: number, line: number, priority = 128): RequestResult {
    const target = this.line(line);
    const node = this.server(server);
    const requestId = node.addPath(target.address, this.server(target.server).identity, priority);
    if (requestId === undefined) throw new Error(`server ${server} has no session`);
    this.until(() => node.requests.has(requestId), `the path over line ${line}`);
    return node.requests.get(requestId) as RequestResult;
  }

  /** The client opens a stream to a member (1 is the primary). */
  open(direction: StreamDirection = "bidirectional", member = 1, priority?: number): SimStream {
    const stream = this.client.endpoint.streams.open(member, direction, priority);
    if (stream === undefined) throw new Error("the stream limit is reached");
    return stream;
  }

  /** A server opens a stream. */
  openFrom(server: number, direction: StreamDirection = "bidirectional", priority?: number, contributions = true): SimStream {
    const stream = this.server(server).endpoint?.streams.open(0, direction, priority, contributions);
    if (stream === undefined) throw new Error(`server ${server} cannot open a stream`);
    return stream;
  }

  content(id: string, length: number): SimContent {
    const content = { id, length, key: 1000 + this.#contents.size };
    this.#contents.set(id, content);
    this.clientMemory.hasContent = true;
    for (const guard of this.serverMemory) guard.hasContent = true;
    return content;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    while (this.clock.step(end)) this.#afterStep();
  }

  /** Lets time pass until `condition` holds; throws with `what` after `maxMs`. Answers how long it took. */
  until(condition: () => boolean, what: string, maxMs = MAX_WAIT_MS): number {
    const start = this.now;
    const end = start + maxMs;
    while (!condition()) {
      const at = this.clock.nextAt();
      if (at === undefined || at > end) throw new Error(`waited in vain for ${maxMs} ms: ${what}\n${this.describe()}`);
      this.clock.step(end);
      this.#afterStep();
    }
    return this.now - start;
  }

  /** Waits until every flow has ended for its reader, then closes the session from the client and judges what is left. */
  finish(maxMs = MAX_WAIT_MS): void {
    this.until(() => this.openFlows().length === 0, "every stream is over", maxMs);
    this.settle();
    this.close();
    this.incidents.check();
  }

  /** Lets everything come to rest, and throws if anything is left to do. */
  settle(restMs = 3_000): void {
    this.advance(restMs);
    const work = () =>
      this.endpoints().flatMap((endpoint) => (endpoint.ended === undefined ? unfinishedWork(endpoint.name, endpoint.session) : []));
    let left = work();
    // A stream that nobody had heard of when the last line went down may only be on its way now.
    for (let tries = 0; left.length > 0 && tries < 300; tries += 1) {
      this.advance(97);
      left = work();
    }
    if (left.length > 0) throw new Error(`at rest, but:\n  ${left.join("\n  ")}`);
  }

  close(): void {
    const { endpoint } = this.client;
    const endpoints = this.endpoints();
    endpoint.session.close(endpoint.now, 0, "", false);
    endpoint.pump();
    this.judgeEnd(endpoints);
  }

  /** After both sides were closed, or lost each other: throws if anything is left, or happened that was not expected. */
  judgeEnd(endpoints = this.endpoints()): void {
    this.advance(this.graceMs + 10_000);
    for (const one of endpoints) {
      for (const peer of one.session.state.peers.values()) {
        const recoveredBytes = peer.resentBytes - peer.reinjectedBytes - peer.trialBytes;
        if (recoveredBytes > 0) this.incidents.note("resent", one.name, `${recoveredBytes} bytes to member ${peer.member}`);
      }
    }
    const left = endpoints.flatMap((one) => [...leftovers(one.name, one.session, one.now), ...wasted(one.name, one.session)]);
    for (const one of endpoints) if (one.endedCount !== 1) left.push(`${one.name}: the end was told ${one.endedCount} times`);
    if (left.length > 0) throw new Error(`after closing:\n  ${left.join("\n  ")}`);
    this.incidents.check();
  }

  /** All sessions that live, the client's first. */
  endpoints(): Endpoint[] {
    return [this.client.endpoint, ...this.servers.flatMap((server) => [...server.sessions.values()])];
  }

  /** Flows that somebody reads and that have not ended. */
  openFlows(): string[] {
    const open: string[] = [];
    for (const stream of this.streams.values()) {
      for (const flow of [stream.up, stream.down]) {
        const reader = flow === stream.up ? stream.endsOf("server") : stream.endsOf("client");
        if (flow !== undefined && flow.outcome === undefined && reader?.isGone === false) open.push(flow.describe());
      }
    }
    return open;
  }

  describe(): string {
    const lines: string[] = [`at ${this.now.toFixed(1)} ms`];
    for (const endpoint of this.endpoints()) {
      for (const path of endpoint.session.state.paths.all()) {
        lines.push(
          `${endpoint.name}: path ${path.id} to ${path.address} ${path.state} (${path.stateReason}), ${path.inFlightBytes} of ${path.inFlightLimitBytes} in flight`,
        );
      }
      if (endpoint.ended === undefined) lines.push(...unfinishedWork(endpoint.name, endpoint.session));
      else lines.push(`${endpoint.name}: ended with ${endpoint.ended.code} ${endpoint.ended.reason}`);
    }
    lines.push(...this.openFlows());
    for (const incident of this.incidents.all.slice(-15))
      lines.push(`${incident.at.toFixed(1)} ${incident.side} ${incident.kind} ${incident.detail}`);
    return lines.join("\n  ");
  }

  #afterStep(): void {
    this.#steps += 1;
    if (this.#steps % this.#checkEvery !== 0) return;
    this.clientMemory.check("client", this.client.session);
    this.servers.forEach((server, index) => {
      for (const endpoint of server.sessions.values()) this.serverMemory[index]?.check(endpoint.name, endpoint.session);
    });
  }
}
