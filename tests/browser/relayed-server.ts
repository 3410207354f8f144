import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Listener, listenWith, parseAddress, systemRuntime, type Transport } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { ServerMaterial } from "../compliance/tls-material.ts";

/** A server whose UDP goes through a relay that can be silent, and whose WebSocket is at the same port. */
export interface RelayedServer {
  readonly listener: Listener;
  readonly port: number;
  isSilent: boolean;
  close(): Promise<void>;
}

export async function relayedServer(tls: ServerMaterial): Promise<RelayedServer> {
  const relay = new UdpRelay();
  const port = await relay.bind();
  const quic = quicTransport({ retry: false });
  const webSocket = webSocketTransport();
  const transport: Transport = {
    name: "relayed",
    dial: () => Promise.reject(new Error("a server only")),
    listen: async (request) => {
      const behind = await quic.listen({ ...request, address: { host: "0.0.0.0", port: 0 } });
      relay.serverPort = parseAddress(behind.address).port;
      const beside = await webSocket.listen({ ...request, address: { host: "127.0.0.1", port } });
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
    `127.0.0.1:${port}`,
    { tls, web: true },
  );
  return {
    listener,
    port,
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

/** Passes datagrams between clients and one server on this machine. */
class UdpRelay {
  isSilent = false;
  serverPort = 0;
  readonly #front = createSocket("udp4");
  /** Towards the server, one for each client's port. */
  readonly #backs = new Map<number, Socket>();

  async bind(): Promise<number> {
    this.#front.on("message", (data, from) => {
      if (!this.isSilent) this.#backOf(from).send(data, this.serverPort, "127.0.0.1");
    });
    this.#front.bind(0, "127.0.0.1");
    await once(this.#front, "listening");
    return this.#front.address().port;
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
