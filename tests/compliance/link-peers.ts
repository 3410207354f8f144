import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { isKwikError, parseAddress } from "@kwik/core";
import type { DialRequest, Link, LinkCloseInfo, Transport, TransportListener, WebOptions } from "@kwik/core";
import type { ServerMaterial } from "./tls-material.ts";

export type Request = Partial<Omit<DialRequest, "trust">> & { port: number; host?: string; trust?: Partial<DialRequest["trust"]> };

export interface Served {
  readonly port: number;
  readonly listener: TransportListener;
  /** The links that its user was given, and how they ended. */
  readonly links: Link[];
  readonly closes: LinkCloseInfo[];
  readonly notices: string[];
}

/** Servers and clients of one test over one transport; `close` ends them all. */
export class LinkPeers<Options extends object> {
  /** Connections to servers that were given to `bind`. */
  readonly sockets = new Set<Socket>();
  readonly #makeTransport: (options?: Options) => Transport;
  readonly #open: { close(): unknown }[] = [];

  constructor(makeTransport: (options?: Options) => Transport) {
    this.#makeTransport = makeTransport;
  }

  /** Closes something when the test is over, the last first. */
  keep<T extends { close(): unknown }>(each: T): T {
    this.#open.push(each);
    return each;
  }

  async close(): Promise<void> {
    for (const each of this.#open.splice(0).reverse()) await each.close();
  }

  /** A kwik server on 127.0.0.1 that echoes. */
  async serve(tls: ServerMaterial, options?: Options, { port = 0, web }: { port?: number; web?: WebOptions } = {}): Promise<Served> {
    const links: Link[] = [];
    const closes: LinkCloseInfo[] = [];
    const notices: string[] = [];
    const listener = await this.#makeTransport(options).listen({
      address: { host: "127.0.0.1", port },
      tls,
      web,
      onLink: (link) => {
        links.push(link);
        link.attach({
          onCarrier: (carrier) => {
            carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined };
          },
          onDatagram: () => undefined,
          onClose: (info) => closes.push(info),
          onBatchEnd: () => undefined,
        });
      },
      onNotice: (message) => notices.push(message),
    });
    this.keep(listener);
    return { port: parseAddress(listener.address).port, listener, links, closes, notices };
  }

  /** Binds a server that is not kwik's to 127.0.0.1; answers its port. */
  async bind(server: Server): Promise<number> {
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => this.sockets.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.keep({
      close: () => {
        for (const socket of this.sockets) socket.destroy();
        server.close();
      },
    });
    return (server.address() as AddressInfo).port;
  }

  /** Dials and goes no further. */
  async reach(request: Request, transport: Transport = this.#makeTransport()): Promise<Link> {
    const { port, host, trust, ...rest } = request;
    const link = await transport.dial({
      address: { host: host ?? "127.0.0.1", port },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: 10_000,
      signal: undefined,
      ...rest,
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: false, ...trust },
    });
    this.keep({ close: () => link.close(0, "") });
    return link;
  }

  /** Dials, and has one byte echoed to prove that the link carries data. */
  async dial(request: Request, transport?: Transport): Promise<Link> {
    const link = await this.reach(request, transport);
    await new Promise<void>((resolve, reject) => {
      link.attach({
        onCarrier: () => undefined,
        onDatagram: () => undefined,
        onClose: (info) => reject(new Error(`closed: ${info.code} ${info.reason}`)),
        onBatchEnd: () => undefined,
      });
      const carrier = link.openCarrier();
      if (carrier === undefined) throw new Error("no carrier");
      carrier.receiver = { onData: () => resolve(), onEnd: () => reject(new Error("ended")) };
      carrier.send([Uint8Array.of(7)]);
    });
    return link;
  }

  /** "CODE: message" of a dial that fails. */
  async failure(request: Request, transport?: Transport): Promise<string> {
    try {
      await this.dial(request, transport);
      return "connected";
    } catch (error) {
      return isKwikError(error) ? `${error.code}: ${error.message}` : String(error);
    }
  }
}
