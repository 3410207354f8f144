import { isKwikError, parseAddress } from "@kwik/core";
import type { DialRequest, Link, LinkCloseInfo, Transport, TransportListener } from "@kwik/core";
import { tcpTransport } from "@kwik/transport-tcp";
import type { TcpTransportOptions } from "@kwik/transport-tcp";
import { expect } from "vitest";
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

/** Servers and clients of one test; `close` ends them all. */
export class TcpPeers {
  readonly #open: { close(): unknown }[] = [];

  /** Closes something when the test is over, the last first. */
  keep<T extends { close(): unknown }>(each: T): T {
    this.#open.push(each);
    return each;
  }

  async close(): Promise<void> {
    for (const each of this.#open.splice(0).reverse()) await each.close();
  }

  /** A server over TCP that echoes. */
  async serve(tls: ServerMaterial, options: TcpTransportOptions & { port?: number } = {}): Promise<Served> {
    const links: Link[] = [];
    const closes: LinkCloseInfo[] = [];
    const notices: string[] = [];
    const listener = await tcpTransport(options).listen({
      address: { host: "127.0.0.1", port: options.port ?? 0 },
      tls,
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

  /** Dials and goes no further. */
  async reach(request: Request, transport: Transport = tcpTransport()): Promise<Link> {
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

/** Waits until `condition` holds; fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
}
