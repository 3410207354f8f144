import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { quicTransport } from "@kwik/transport-quic";

/** What an attacker does to a server's port. */
export type AttackKind =
  /** Whole handshakes, each of a new client, which then leaves. */
  | "tls-handshakes"
  | "quic-handshakes"
  /** TCP connections that send a kilobyte which is no TLS. */
  | "tcp-garbage"
  /** Datagrams of 1200 bytes: half are no QUIC at all, half look like a client's first packet. */
  | "udp-garbage"
  /** TCP connections that send one byte of a TLS hello ten times a second. */
  | "slow-clients";

/** QUIC clients at once: each is a thread. */
const MAX_QUIC_CLIENTS = 4;
const DATAGRAMS_AT_ONCE = 20;
const FIRST_PACKET_BYTES = 1_200;
const SLOW_BYTE_MS = 100;
/** The beginning of a TLS record that announces 512 bytes of hello. */
const TLS_RECORD = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];

/** An attacker on this machine who has as many networks as there are in 127.0.0.0/8. */
export class Attack {
  readonly #port: number;
  readonly #kind: AttackKind;
  readonly #open = new Set<{ destroy(): void }>();
  #count = 0;
  #quicClients = 0;

  constructor(kind: AttackKind, port: number) {
    this.#kind = kind;
    this.#port = port;
  }

  /** Connections and datagrams so far. */
  get count(): number {
    return this.#count;
  }

  strike(): void {
    if (this.#kind === "udp-garbage") this.#datagrams();
    else if (this.#kind === "quic-handshakes") void this.#quicHandshake();
    else if (this.#kind === "tls-handshakes") this.#tlsHandshake();
    else this.#connection();
  }

  end(): void {
    for (const each of this.#open) each.destroy();
    this.#open.clear();
  }

  #nextAddress(): string {
    this.#count += 1;
    return `127.${1 + (this.#count % 200)}.${(this.#count >> 8) % 250}.1`;
  }

  #keep<T extends Socket>(socket: T): T {
    this.#open.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#open.delete(socket));
    return socket;
  }

  #tlsHandshake(): void {
    const options = { port: this.#port, host: "127.0.0.1", localAddress: this.#nextAddress() };
    // audited: an attacker does not care whom it attacks
    const socket = this.#keep(connectTls({ ...options, rejectUnauthorized: false, minVersion: "TLSv1.3", ALPNProtocols: ["kwik"] }));
    socket.once("secureConnect", () => socket.destroy());
  }

  #connection(): void {
    const socket = this.#keep(connectTcp({ port: this.#port, host: "127.0.0.1", localAddress: this.#nextAddress() }));
    socket.once("connect", () => {
      if (this.#kind === "tcp-garbage") {
        socket.end(randomBytes(1_024));
        return;
      }
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(Uint8Array.of(TLS_RECORD[sent] ?? 0));
        sent += 1;
      }, SLOW_BYTE_MS);
      socket.once("close", () => clearInterval(timer));
    });
  }

  #datagrams(): void {
    const socket = createSocket("udp4");
    socket.on("error", () => undefined);
    socket.bind({ address: this.#nextAddress() }, () => {
      let left = DATAGRAMS_AT_ONCE;
      for (let i = 0; i < DATAGRAMS_AT_ONCE; i += 1) {
        const packet = randomBytes(FIRST_PACKET_BYTES);
        // RFC 9000 section 17.2.2: an Initial of version 1 with connection ids of 8 bytes and no token.
        if (i % 2 === 0) packet.set([0xc0, 0, 0, 0, 1, 8], 0);
        if (i % 2 === 0) packet.set([8], 14);
        if (i % 2 === 0) packet.set([0, 0x44, 0x98], 23);
        this.#count += 1;
        socket.send(packet, this.#port, "127.0.0.1", () => {
          left -= 1;
          if (left === 0) socket.close();
        });
      }
    });
  }

  async #quicHandshake(): Promise<void> {
    if (this.#quicClients >= MAX_QUIC_CLIENTS) return;
    this.#quicClients += 1;
    this.#count += 1;
    try {
      const link = await quicTransport().dial({
        address: { host: "127.0.0.1", port: this.#port },
        trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
        identity: undefined,
        clientCertificate: undefined,
        timeoutMs: 2_000,
        signal: undefined,
      });
      link.close(0, "");
    } catch {
      // refused
    } finally {
      this.#quicClients -= 1;
    }
  }
}
