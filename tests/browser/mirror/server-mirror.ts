import { type Carrier, KwikError, type Link, parseAddress, type Transport, type TransportListener } from "@kwik/core";
import type { WebSocket } from "ws";
import { type ChildServer, type ChildTransport, startChildServer } from "../../compliance/child-server.ts";
import type { ServerMaterial } from "../../compliance/tls-material.ts";
import { type MirroredServer, packMessage, type PageMessage, type ServerMessage, unpackMessage } from "./mirror-message.ts";

export interface ServerMirrorOptions {
  readonly transport: Transport;
  readonly childTransport: ChildTransport;
  readonly tls: ServerMaterial;
}

/** Runs servers for a page, which sees and moves both of their ends: a suite that looks at client and server runs in the page as it is. */
export class ServerMirror {
  readonly #page: WebSocket;
  readonly #options: ServerMirrorOptions;
  readonly #listeners: TransportListener[] = [];
  readonly #mortals: ChildServer[] = [];
  readonly #links: { readonly link: Link; readonly carriers: Map<number, Carrier>; opened: number }[] = [];

  constructor(page: WebSocket, options: ServerMirrorOptions) {
    this.#page = page;
    this.#options = options;
    page.on("message", (data) => {
      const { message, data: bytes } = unpackMessage(data as Buffer);
      this.#obey(message as PageMessage, bytes);
    });
  }

  async close(): Promise<void> {
    this.#page.terminate();
    for (const mortal of this.#mortals) mortal.kill();
    for (const listener of this.#listeners) await listener.close();
  }

  #tell(message: ServerMessage, data?: Uint8Array): void {
    if (this.#page.readyState === this.#page.OPEN) this.#page.send(packMessage(message, data === undefined ? [] : [data]));
  }

  #obey(message: PageMessage, data: Uint8Array): void {
    switch (message.ask) {
      case "listen":
        return this.#answer(message.request, this.#listen(message.port));
      case "close-listener":
        return this.#answer(message.request, this.#closeListener(message.listener));
      case "mortal":
        return this.#answer(message.request, this.#startMortal());
      case "kill":
        return this.#mortals[message.mortal]?.kill();
      case "open":
        return this.#open(message.link, message.carrier);
      case "send":
        return this.#links[message.link]?.carriers.get(message.carrier)?.send([data]);
      case "reset":
        this.#links[message.link]?.carriers.get(message.carrier)?.reset(0);
        this.#links[message.link]?.carriers.delete(message.carrier);
        return;
      case "datagram":
        return void this.#links[message.link]?.link.sendDatagram(data);
      case "close-link":
        return this.#links[message.link]?.link.close(message.code, message.reason);
      default:
        message satisfies never;
    }
  }

  #answer(request: number, result: Promise<MirroredServer>): void {
    result.then(
      (value) => this.#tell({ tell: "answer", request, value }),
      (error: unknown) => {
        const { code, message } = KwikError.from(error);
        this.#tell({ tell: "failure", request, code, message });
      },
    );
  }

  async #listen(port: number): Promise<MirroredServer> {
    const id = this.#listeners.length;
    const listener = await this.#options.transport.listen({
      // docs/webtransport.md: Chromium takes none of the packets that a server at a loopback address sends.
      address: { host: "0.0.0.0", port },
      tls: this.#options.tls,
      web: {},
      onLink: (link) => this.#take(id, link),
    });
    this.#listeners.push(listener);
    return { id, port: parseAddress(listener.address).port };
  }

  async #closeListener(id: number): Promise<MirroredServer> {
    await this.#listeners[id]?.close();
    return { id, port: 0 };
  }

  async #startMortal(): Promise<MirroredServer> {
    const { tls, childTransport } = this.#options;
    const mortal = await startChildServer("./echo-server.ts", tls, childTransport, "0.0.0.0");
    this.#mortals.push(mortal);
    return { id: this.#mortals.length - 1, port: mortal.address.port };
  }

  #take(listener: number, link: Link): void {
    const id = this.#links.length;
    const known = new Map<number, Carrier>();
    this.#links.push({ link, carriers: known, opened: 0 });
    let accepted = 0;
    const { capabilities, properties, maxDatagramBytes } = link;
    this.#tell({ tell: "link", listener, link: id, capabilities, properties, maxDatagramBytes });
    link.attach({
      onCarrier: (carrier) => {
        // Numbers of the mirror: even for the page's carriers, odd for the server's.
        const number = 2 * accepted++;
        this.#tell({ tell: "carrier", link: id, carrier: number });
        this.#know(id, number, carrier);
      },
      onDatagram: (data) => this.#tell({ tell: "datagram", link: id }, data),
      onClose: (info) => this.#tell({ tell: "close", link: id, info }),
      onBatchEnd: () => this.#tell({ tell: "batch-end", link: id }),
    });
  }

  #open(link: number, number: number): void {
    const carrier = this.#links[link]?.link.openCarrier();
    if (carrier !== undefined) this.#know(link, number, carrier);
  }

  #know(link: number, number: number, carrier: Carrier): void {
    this.#links[link]?.carriers.set(number, carrier);
    carrier.receiver = {
      onData: (data) => this.#tell({ tell: "data", link, carrier: number }, data),
      onEnd: () => this.#tell({ tell: "end", link, carrier: number }),
    };
  }
}
