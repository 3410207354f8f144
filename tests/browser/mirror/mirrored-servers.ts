import {
  type Carrier,
  type CarrierReceiver,
  type Link,
  type LinkCapabilities,
  KwikError,
  type KwikErrorCode,
  type LinkProperties,
  type LinkReceiver,
  type LinkStats,
  type ListenRequest,
  type ServerAddress,
  type TransportListener,
} from "@kwik/core";
import { type MirroredServer, packMessage, type PageMessage, type ServerMessage, unpackMessage } from "./mirror-message.ts";

/** Carriers that a server opens at once: fewer than any transport allows it, so that the answer is known here. */
const MAX_OPENED = 40;

const HOST = "127.0.0.1";

/** The servers that Node runs for this page, as if they were in it. */
export class MirroredServers {
  readonly #socket: WebSocket;
  readonly #answers: { resolve(value: MirroredServer): void; reject(error: unknown): void }[] = [];
  readonly #onLink: ((link: Link) => void)[] = [];
  readonly #links = new Map<number, MirroredLink>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event: { readonly data: unknown }) => {
      const { message, data } = unpackMessage(new Uint8Array(event.data as ArrayBuffer));
      this.#hear(message as ServerMessage, data);
    };
  }

  static connect(port: number): Promise<MirroredServers> {
    const socket = new WebSocket(`ws://${HOST}:${port}`);
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(new MirroredServers(socket));
      socket.onerror = () => reject(new Error("the mirror cannot be reached"));
    });
  }

  async listen(request: ListenRequest): Promise<TransportListener> {
    const { id, port } = await this.#ask((number) => ({ ask: "listen", request: number, port: request.address.port }));
    this.#onLink[id] = (link) => request.onLink(link);
    return {
      address: `${HOST}:${port}`,
      close: async () => {
        await this.#ask((number) => ({ ask: "close-listener", request: number, listener: id }));
      },
    };
  }

  async startMortal(): Promise<{ readonly address: ServerAddress; kill(): void }> {
    const { id, port } = await this.#ask((request) => ({ ask: "mortal", request }));
    return { address: { host: HOST, port }, kill: () => this.send({ ask: "kill", mortal: id }) };
  }

  send(message: PageMessage, parts?: readonly Uint8Array[]): void {
    this.#socket.send(packMessage(message, parts));
  }

  #ask(message: (request: number) => PageMessage): Promise<MirroredServer> {
    return new Promise((resolve, reject) => {
      this.send(message(this.#answers.push({ resolve, reject }) - 1));
    });
  }

  #hear(message: ServerMessage, data: Uint8Array): void {
    switch (message.tell) {
      case "answer":
        return this.#answers[message.request]?.resolve(message.value);
      case "failure":
        return this.#answers[message.request]?.reject(new KwikError(message.code as KwikErrorCode, message.message));
      case "link": {
        const link = new MirroredLink(this, message.link, message.capabilities, message.properties, message.maxDatagramBytes);
        this.#links.set(message.link, link);
        return this.#onLink[message.listener]?.(link);
      }
      default:
        this.#links.get(message.link)?.hear(message, data);
    }
  }
}

/** A server's end of a link. What it cannot tell is how much the server has queued. */
class MirroredLink implements Link {
  readonly capabilities: LinkCapabilities;
  readonly properties: LinkProperties;
  readonly #servers: MirroredServers;
  readonly #id: number;
  readonly #maxDatagramBytes: number;
  readonly #carriers = new Map<number, MirroredCarrier>();
  #nextOwn = 1;
  #opened = 0;
  #receiver: LinkReceiver | undefined;
  #isClosed = false;

  constructor(servers: MirroredServers, id: number, capabilities: LinkCapabilities, properties: LinkProperties, maxDatagramBytes: number) {
    this.#servers = servers;
    this.#id = id;
    this.capabilities = capabilities;
    this.properties = { ...properties };
    this.#maxDatagramBytes = maxDatagramBytes;
  }

  get maxDatagramBytes(): number {
    return this.#isClosed ? 0 : this.#maxDatagramBytes;
  }

  attach(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }

  openCarrier(): Carrier | undefined {
    if (this.#isClosed || this.#opened >= MAX_OPENED) return undefined;
    const carrier = this.#know(this.#nextOwn);
    this.#nextOwn += 2;
    this.#opened += 1;
    this.#servers.send({ ask: "open", link: this.#id, carrier: carrier.id });
    return carrier;
  }

  sendDatagram(data: Uint8Array): boolean {
    if (data.length > this.maxDatagramBytes || this.#isClosed) return false;
    this.#servers.send({ ask: "datagram", link: this.#id }, [data]);
    return true;
  }

  stats(): LinkStats {
    const unknown = { rttMs: undefined, congestionWindowBytes: undefined, maxPayloadBytes: undefined };
    return { ...unknown, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, bufferedBytes: 0 };
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#servers.send({ ask: "close-link", link: this.#id, code, reason });
  }

  hear(message: Exclude<ServerMessage, { tell: "answer" | "failure" | "link" }>, data: Uint8Array): void {
    switch (message.tell) {
      case "carrier":
        return this.#receiver?.onCarrier(this.#know(message.carrier));
      case "data":
        return this.#guard(() => this.#carriers.get(message.carrier)?.receiver?.onData(data));
      case "end": {
        const carrier = this.#carriers.get(message.carrier);
        this.#forget(message.carrier);
        return carrier?.receiver?.onEnd();
      }
      case "datagram":
        return this.#receiver?.onDatagram(data);
      case "batch-end":
        return this.#receiver?.onBatchEnd();
      case "close":
        this.#isClosed = true;
        return this.#receiver?.onClose(message.info);
      default:
        message satisfies never;
    }
  }

  /** As a transport does: what a receiver throws ends its link. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.close(1, String(error));
    }
  }

  #know(id: number): MirroredCarrier {
    const carrier: MirroredCarrier = {
      id,
      receiver: undefined,
      bufferedBytes: 0,
      send: (parts) => {
        if (this.#carriers.get(id) === carrier && !this.#isClosed) this.#servers.send({ ask: "send", link: this.#id, carrier: id }, parts);
      },
      reset: () => {
        if (this.#forget(id) && !this.#isClosed) this.#servers.send({ ask: "reset", link: this.#id, carrier: id });
      },
    };
    this.#carriers.set(id, carrier);
    return carrier;
  }

  #forget(id: number): boolean {
    if (!this.#carriers.delete(id)) return false;
    if (id % 2 === 1) this.#opened -= 1;
    return true;
  }
}

interface MirroredCarrier extends Carrier {
  receiver: CarrierReceiver | undefined;
}
