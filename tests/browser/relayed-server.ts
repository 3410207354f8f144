import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Listener, listenWith, parseAddress, systemRuntime, type Transport, type TransportListener } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { ServerMaterial } from "../compliance/tls-material.ts";

const MAX_TRIES = 10;

/** A server whose UDP goes through a relay that can be silent, and whose WebSocket is at the same port. */
export interface RelayedServer {
  readonly listener: Listener;
  readonly port: number;
  isSilent: boolean;
  close(): Promise<void>;
}

export async function relayedServer(tls: ServerMaterial): Promise<RelayedServer> {
  const relay = new UdpRelay();
  const quic = quicTransport({ retry: false });
  const webSocket = webSocketTransport();
  const transport: Transport = {
    name: "relayed",
    dial: () => Promise.reject(new Error("a server only")),
    listen: async (request) => {
      const behind = await quic.listen({ ...request, address: { host: "0.0.0.0", port: 0 } });
      relay.serverPort = parseAddress(behind.address).port;
      const beside = await besideOf(relay, () => webSocket.listen(request));
      return {
        address: beside.address,
        close: async () => {
          await Promise.all([behind.close(), beside.close()]);
        },
      };
    },
  };
  const listener = await listenWith(
    { transport, runtime: systemRuntime, agent: "test", tls, identity: tls.identity, authority: undefined },
    "127.0.0.1:0",
    { tls, web: true },
  );
  return {
    listener,
    port: parseAddress(listener.address).port,
    get isSilent() {
      return relay.isSilent;
    },
    set isSilent(isSilent: boolean) {
      relay.isSilent = isSilent;
    },
    close: async () => {
      await listener.close();
      relay.close();
    },
  };
}

/** A listener of TCP, and the relay at the same port: somebody else may have the other half of a port that was free. */
async function besideOf(relay: UdpRelay, listen: () => Promise<TransportListener>): Promise<TransportListener> {
  for (let tries = 1; ; tries += 1) {
    const beside = await listen();
    try {
      await relay.bind(parseAddress(beside.address).port);
      return beside;
    } catch (error) {
      await beside.close();
      if (tries === MAX_TRIES) throw error;
    }
  }
}

/** Passes datagrams between clients and one server on this machine. */
class UdpRelay {
  isSilent = false;
  serverPort = 0;
  #front = createSocket("udp4");
  /** Towards the server, one for each client's port. */
  readonly #backs = new Map<number, Socket>();

  /** Rejects if somebody has the port. */
  async bind(port: number): Promise<void> {
    this.#front = createSocket("udp4");
    this.#front.on("message", (data, from) => {
      if (!this.isSilent) this.#backOf(from).send(data, this.serverPort, "127.0.0.1");
    });
    this.#front.bind(port, "127.0.0.1");
    await once(this.#front, "listening");
  }

  close(): void {
    this.#front.close();
    for (const back of this.#backs.values()) back.close();
  }

  #backOf({ port, address }: RemoteInfo): Socket {
    let back = this.#backs.get(port);
    if (back === undefined) {
      back = createSocket("udp4");
      back.on("message", (data) => {
        if (!this.isSilent) this.#front.send(data, port, address);
      });
      this.#backs.set(port, back);
    }
    return back;
  }
}
