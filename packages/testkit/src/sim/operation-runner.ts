import { patternBytes } from "../payload.ts";
import type { Operation } from "./operation.ts";
import type { ServerNode } from "./server-node.ts";
import { serverSideOf } from "./server-side-of.ts";
import type { SimStream } from "./sim-stream.ts";
import type { World } from "./world.ts";

/** Time in which a session at rest must have done everything that is left to do. */
const CONCLUDE_MS = 60_000;

/** Carries operations out on a world that has been started. */
export class OperationRunner {
  readonly world: World;
  readonly #streams: SimStream[] = [];
  readonly #contributed = new Set<SimStream>();
  #contents = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** Carries all of them out, brings everything to its end, and throws if anything is not as it must be. */
  run(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.apply(operation);
      this.world.advance(0);
    }
    this.conclude();
  }

  apply(operation: Operation): void {
    const { world } = this;
    switch (operation.do) {
      case "open":
        return this.#open(operation);
      case "write":
        return this.#stream(operation.stream)?.write(operation.side, operation.bytes);
      case "finish":
        return this.#stream(operation.stream)?.finish(operation.side);
      case "pause":
        return this.#stream(operation.stream)?.pause(operation.side);
      case "resume":
        return this.#stream(operation.stream)?.resume(operation.side);
      case "reset":
        return this.#stream(operation.stream)?.reset(operation.side, operation.code);
      case "stop-reading":
        return this.#stream(operation.stream)?.stopReading(operation.side, operation.code);
      case "priority":
        return this.#stream(operation.stream)?.setPriority(operation.side, operation.priority);
      case "add-path": {
        const line = world.line(operation.line % world.lines.length);
        this.#server(operation.server).addPath(line.address, world.server(line.server).identity);
        return;
      }
      case "remove-path": {
        const paths = world.client.session.state.paths.all();
        this.#server(operation.server).removePath(operation.path % paths.length, 1_000);
        return;
      }
      case "blackhole":
        return world.line(operation.line % world.lines.length).blackhole(operation.direction);
      case "heal":
        return world.line(operation.line % world.lines.length).heal();
      case "cut":
        return world.line(operation.line % world.lines.length).cut();
      case "kill":
        return this.#server(operation.server).kill();
      case "restart":
        return this.#server(operation.server).restart();
      case "going-away": {
        const { endpoint } = this.#server(operation.server);
        endpoint?.session.goAway(endpoint.now, "maintenance", 1_000);
        return endpoint?.wake();
      }
      case "drain": {
        const line = world.lines.find((one) => one.server === operation.replacement % world.servers.length);
        return this.#server(operation.server).drain(operation.graceMs, line === undefined ? [] : [line.address]);
      }
      case "outage": {
        for (const line of world.lines) line.blackhole("both");
        world.advance(operation.ms);
        for (const line of world.lines) line.heal();
        return;
      }
      case "freeze": {
        const { clock } = operation.isClient ? world.client : this.#server(operation.server);
        return clock.freeze(operation.ms, operation.isAsleep ? "asleep" : "stopped");
      }
      case "rate":
        return world.line(operation.line % world.lines.length).setRate(operation.bytesPerMs);
      case "content":
        return this.#content(operation.stream, operation.bytes, operation.isEnd);
      case "contribute":
        return this.#contribute(operation.stream, operation.server, operation.bytes);
      case "raw": {
        const paths = world.client.session.state.paths.all();
        this.#server(operation.server).sendRaw(patternBytes(99, operation.bytes, operation.bytes), operation.path % paths.length);
        return;
      }
      case "datagram": {
        const endpoint = operation.isFromClient ? world.client.endpoint : this.#server(operation.server).endpoint;
        endpoint?.session.sendDatagram(endpoint.now, patternBytes(98, 0, operation.bytes), operation.isOnAll === true ? "all" : "best");
        return endpoint?.wake();
      }
      case "wait":
        return world.advance(operation.ms);
      case "close":
        world.client.session.close(world.client.endpoint.now, 0, "", false);
        return world.client.endpoint.wake();
      default:
        operation satisfies never;
    }
  }

  /** Heals everything, lets every stream end, closes, and judges. */
  conclude(): void {
    const { world } = this;
    for (const line of world.lines) {
      line.heal();
      if (line.up.shape.rateBytesPerMs < 500) line.setRate(500);
    }
    while (world.client.clock.isFrozen || world.servers.some((server) => server.clock.isFrozen)) world.advance(100);
    const end = world.now + CONCLUDE_MS;
    do {
      if (world.now > end) throw new Error(`streams that never end\n${world.describe()}`);
      for (const stream of this.#streams) {
        for (const side of ["client", "server"] as const) {
          stream.resume(side);
          stream.finish(side);
        }
      }
      world.advance(250);
      // A contributor that was lost leaves a hole for ever: its home has to decide, and this one gives up.
      if (world.now > end - CONCLUDE_MS / 2) this.#giveUpContributed();
    } while (world.openFlows().length > 0);
    // A server that is gone for good is waited for until the grace time is over.
    if (world.servers.some((server) => !server.isRunning)) world.advance(world.graceMs + 10_000);
    if (world.client.endpoint.ended === undefined) {
      world.settle();
      this.#judgeRaw();
      world.close();
    } else world.judgeEnd();
  }

  #giveUpContributed(): void {
    for (const stream of this.#contributed) {
      stream.reset("server", 9);
      // A home that had ended its own part already has no way to reset: the reader has to give up.
      stream.stopReading("client", 9);
    }
  }

  #judgeRaw(): void {
    for (const server of this.world.servers) {
      const { endpoint } = server;
      // One that has no path left waits for its own grace time.
      if (endpoint === undefined || endpoint.ended !== undefined || endpoint.session.lifecycle.isSuspended) continue;
      const waiting = serverSideOf(endpoint.session).raw.waitingCount;
      if (waiting > 0) throw new Error(`server ${server.index} waits for ${waiting} raw replies that never come`);
    }
  }

  #open(operation: Extract<Operation, { do: "open" }>): void {
    const { world } = this;
    if (world.client.endpoint.ended !== undefined) return;
    const direction = operation.isOneWay ? "unidirectional" : "bidirectional";
    const server = this.#server(operation.server);
    let stream: SimStream | undefined;
    if (operation.by === "server") {
      const { endpoint } = server;
      if (endpoint === undefined || endpoint.ended !== undefined) return;
      stream = endpoint.streams.open(0, direction, operation.priority);
    } else {
      const member = this.#memberOf(server);
      if (member === undefined) return;
      stream = world.client.endpoint.streams.open(member, direction, operation.priority);
    }
    if (stream === undefined) return;
    this.#streams.push(stream);
    stream.write(operation.by, operation.bytes);
  }

  #content(index: number, bytes: number, isEnd: boolean): void {
    const stream = this.#stream(index);
    const server = stream === undefined ? undefined : this.#homeOf(stream);
    if (stream === undefined || server === undefined) return;
    this.#contents += 1;
    server.sendContent(stream, this.world.content(`content-${this.#contents}`, Math.max(1, bytes)), isEnd);
  }

  #contribute(index: number, serverIndex: number, bytes: number): void {
    const stream = this.#stream(index);
    const home = stream === undefined ? undefined : this.#homeOf(stream);
    const contributor = this.#server(serverIndex);
    const { endpoint } = contributor;
    if (stream?.down === undefined || home === undefined || contributor === home || endpoint === undefined || endpoint.ended !== undefined)
      return;
    if (stream.down.isFinishWanted || stream.down.resetCode !== undefined || home.endpoint?.streams.entry(stream.id) === undefined) return;
    const member = this.#memberOf(contributor);
    const peer = member === undefined ? undefined : this.world.client.session.state.peerOf(member);
    if (peer === undefined || peer.vouchedBy !== stream.home) return;
    const start = home.endpoint.streams.skip(stream.id, bytes);
    endpoint.streams.contribute(stream.id, start, bytes);
    this.#contributed.add(stream);
  }

  #stream(index: number): SimStream | undefined {
    return this.#streams.length === 0 ? undefined : this.#streams[index % this.#streams.length];
  }

  #server(index: number): ServerNode {
    return this.world.server(index % this.world.servers.length);
  }

  #homeOf(stream: SimStream): ServerNode | undefined {
    return this.world.servers.find((server) => server.endpoint?.session.state.config.member === stream.home);
  }

  /** The number that the client knows a server by, while it is not lost. */
  #memberOf(server: ServerNode): number | undefined {
    for (const peer of this.world.client.session.state.peers.values()) {
      if (peer.identity === server.identity && peer.isKnown && !peer.isLost) return peer.member;
    }
    return undefined;
  }
}
