import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const HOST = "127.0.0.1";

/** A way to a gateway of this machine that can be cut: over TCP, or over UDP. */
export interface Line {
  /** "kwik+tcp://127.0.0.1:port", or kwik+quic. */
  readonly url: string;
  /** What passed, both ways, in bytes. */
  readonly bytes: number;
  /** Called with what passed, after it did. */
  onBytes: (() => void) | undefined;
  /** Nothing passes any more. "silent": nobody is told. "killed": connections break off, where there are such, and new ones are refused. */
  cut(how: "silent" | "killed"): void;
  heal(): void;
  close(): void;
}

/** A relay of TCP connections. */
export async function tcpLine(gatewayPort: number): Promise<Line> {
  const line = new TcpLine(gatewayPort);
  await line.listen();
  return line;
}

/** A relay of UDP datagrams. */
export async function udpLine(gatewayPort: number): Promise<Line> {
  const line = new UdpLine(gatewayPort);
  await line.listen();
  return line;
}

type State = "open" | "silent" | "killed";

class TcpLine implements Line {
  onBytes: (() => void) | undefined;
  bytes = 0;
  readonly #gatewayPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: State = "open";

  constructor(gatewayPort: number) {
    this.#gatewayPort = gatewayPort;
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, HOST);
    await once(this.#server, "listening");
  }

  get url(): string {
    return `kwik+tcp://${HOST}:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(how: "silent" | "killed"): void {
    this.#state = how;
    for (const socket of this.#sockets) {
      if (how === "killed") socket.resetAndDestroy();
      else socket.pause();
    }
  }

  heal(): void {
    this.#state = "open";
    // What was silent once stays so: its ends have given each other up.
    for (const socket of this.#sockets) if (socket.isPaused()) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    if (this.#state === "killed") {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ host: HOST, port: this.#gatewayPort, noDelay: true });
    this.#pass(near, far);
    this.#pass(far, near);
    if (this.#state === "silent") for (const socket of [near, far]) socket.pause();
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (data: Buffer) => {
      this.bytes += data.length;
      if (!to.write(data)) from.pause();
      this.onBytes?.();
    });
    to.on("drain", () => {
      if (this.#state === "open") from.resume();
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

class UdpLine implements Line {
  onBytes: (() => void) | undefined;
  bytes = 0;
  readonly #gatewayPort: number;
  readonly #near: UdpSocket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  /** A socket of its own for each client, so that the gateway can tell them apart. */
  readonly #far = new Map<string, UdpSocket>();
  #isOpen = true;

  constructor(gatewayPort: number) {
    this.#gatewayPort = gatewayPort;
    this.#near.on("message", (data, from) => {
      if (this.#pass(data)) this.#farOf(from).send(data, this.#gatewayPort, HOST);
    });
  }

  async listen(): Promise<void> {
    this.#near.bind(0, HOST);
    await once(this.#near, "listening");
  }

  get url(): string {
    return `kwik+quic://${HOST}:${this.#near.address().port}`;
  }

  cut(): void {
    this.#isOpen = false;
  }

  heal(): void {
    this.#isOpen = true;
  }

  close(): void {
    this.#near.close();
    for (const socket of this.#far.values()) socket.close();
  }

  #farOf(client: RemoteInfo): UdpSocket {
    const key = `${client.address} ${client.port}`;
    let far = this.#far.get(key);
    if (far === undefined) {
      far = createSocket({ type: "udp4", recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
      far.on("message", (data) => {
        if (this.#pass(data)) this.#near.send(data, client.port, client.address);
      });
      this.#far.set(key, far);
    }
    return far;
  }

  #pass(data: Buffer): boolean {
    if (!this.#isOpen) return false;
    this.bytes += data.length;
    this.onBytes?.();
    return true;
  }
}
