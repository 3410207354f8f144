import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { ListenOptions, ServerSession } from "@kwik/core";
import { Gateway, type GatewayEvent, type GatewayOptions } from "@kwik/gateway";
import { type Bind, LocalProxy, type ProxyEvent, type ProxyOptions } from "@kwik/proxy";
import type { MemoryNetworkOptions } from "@kwik/testkit";
import { TestCluster, type TestServer } from "../session/pair.ts";

/** A gateway of a test, and the sessions that it serves. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly server: TestServer;
  readonly sessions: ServerSession[];
  readonly events: GatewayEvent[];
}

/** Gateways and a proxy in this process, on the memory transport; targets and local clients are real sockets of the loopback. */
export class TunnelBench implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly proxyEvents: ProxyEvent[] = [];
  readonly #closers: (() => unknown)[] = [];

  /** `shape` of the lines between proxy and gateways; none is as fast as memory. */
  constructor(shape?: MemoryNetworkOptions["shape"]) {
    this.cluster = new TestCluster(shape === undefined ? {} : { shape });
  }

  async gateway(options: GatewayOptions = {}, listen: Partial<ListenOptions> = {}): Promise<TestGateway> {
    const events: GatewayEvent[] = [];
    const gateway = new Gateway({ ...options, onEvent: (event) => events.push(event) });
    this.#closers.push(() => gateway.origins.close());
    const server = await this.cluster.serve({ content: gateway.origins.contents, ...listen });
    const sessions: ServerSession[] = [];
    void (async () => {
      for await (const session of server.listener) {
        sessions.push(session);
        void gateway.serve(session, { name: "client", source: { host: "203.0.113.9", port: 40_000 } });
      }
    })().catch(() => undefined);
    return { gateway, server, sessions, events };
  }

  async proxy(gateways: readonly TestGateway[], options: Partial<ProxyOptions> = {}): Promise<LocalProxy> {
    const [first, ...others] = gateways.map((one) => one.server);
    const proxy = new LocalProxy({
      dial: () => this.cluster.dial(first as TestServer, { servers: others.map((one) => one.listener.url) }),
      onEvent: (event) => this.proxyEvents.push(event),
      ...options,
    });
    this.#closers.push(() => proxy[Symbol.asyncDispose]());
    await proxy.start();
    return proxy;
  }

  /** A target on the loopback; answers its port. */
  async target(serve: (socket: Socket) => void, host = "127.0.0.1"): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    this.#closers.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return (server.address() as AddressInfo).port;
  }

  /** Ends with this bench. */
  ends(one: AsyncDisposable): void {
    this.#closers.push(() => one[Symbol.asyncDispose]());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers) await close();
    await this.cluster[Symbol.asyncDispose]();
  }
}

export function portOf(bind: Bind): number {
  if ("port" in bind) return bind.port;
  throw new Error("it is a unix socket");
}

/** Everything that a socket brings until its end; rejects if it is broken off. */
export function textOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}
