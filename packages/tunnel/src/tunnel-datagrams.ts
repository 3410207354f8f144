import { type DatagramOptions, isKwikError, type Session } from "@kwik/core";
import { decodePacket, encodePacket, type TunnelPacket } from "./packet-codec.ts";

type PacketReceiver = (packet: TunnelPacket) => void;

const ofSessions = new WeakMap<Session, TunnelDatagrams>();

/** The datagrams of a session's UDP associations. From the first call on they are read here, and nobody else may call `receiveDatagram`. */
export function tunnelDatagrams(session: Session): TunnelDatagrams {
  let datagrams = ofSessions.get(session);
  if (datagrams === undefined) {
    datagrams = new TunnelDatagrams(session);
    ofSessions.set(session, datagrams);
  }
  return datagrams;
}

/** Hands each datagram of a session to the association that it names. */
export class TunnelDatagrams {
  readonly #session: Session;
  readonly #receivers = new Map<bigint, PacketReceiver>();
  #unclaimed = 0;

  constructor(session: Session) {
    this.#session = session;
    void this.#read();
  }

  /** Datagrams that named no association of this side, since the session began. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  /** Says who gets the packets of an association; the answer ends it. The payload is the receiver's. */
  attach(streamId: bigint, receive: PacketReceiver): () => void {
    this.#receivers.set(streamId, receive);
    return () => void this.#receivers.delete(streamId);
  }

  /** Sends a packet; false if it is larger than the session's datagrams, its address is none, or it cannot be sent now. */
  send(streamId: bigint, packet: TunnelPacket, options?: DatagramOptions): boolean {
    try {
      return this.#session.sendDatagram(encodePacket(streamId, packet), options);
    } catch (error) {
      if (isKwikError(error)) return false;
      throw error;
    }
  }

  async #read(): Promise<void> {
    for (;;) {
      let data: Uint8Array;
      try {
        data = await this.#session.receiveDatagram();
      } catch {
        return; // the session is over
      }
      const found = decodePacket(data);
      const receive = found && this.#receivers.get(found.streamId);
      if (receive === undefined) this.#unclaimed += 1;
      else receive((found as NonNullable<typeof found>).packet);
    }
  }
}
