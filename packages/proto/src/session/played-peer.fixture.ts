import type { CarrierId, MemberId, PathId } from "../base/ids.ts";
import { DEFAULT_LIMITS, type Limits } from "../base/limits.ts";
import { SeededRng } from "../base/rng.ts";
import type { Instant } from "../base/time.ts";
import { type ControlBody, envelopeOf, isPathScoped } from "../control/control-body.ts";
import { partialBody } from "../control/partial-body.ts";
import { ControlDecoder, type Envelope, encodeEnvelope } from "../control/control-codec.ts";
import { EVERY_MESSAGE } from "../control/every-message.ts";
import { schedulerFactory } from "../schedule/scheduler-factory.ts";
import { crc32 } from "../wire/crc32.ts";
import { PacketDecoder, type PacketSink } from "../wire/packet-decoder.ts";
import { PacketEncoder } from "../wire/packet-encoder.ts";
import { CarrierKind, encodePreamble, PreambleReader } from "../wire/preamble.ts";
import { PathAcceptor } from "./path-acceptor.ts";
import { ServerSide } from "./server-side.ts";
import { Session } from "./session.ts";
import type { SessionEvent } from "./session-event.ts";
import type { SessionConfig } from "./session-state.ts";

export const SESSION_ID: Uint8Array = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

/** What a peer gives at the start where a test does not say otherwise. */
export const CREDIT = {
  streamWindowBytes: 1_000_000n,
  sessionWindowBytes: 4_000_000n,
  maxBidirectionalStreams: 200,
  maxUnidirectionalStreams: 200,
};

/** What a session may want at one moment, at most; more is a circle. */
const MAX_SENT_AT_ONCE = 100_000;
const MAX_TIMEOUTS_AT_ONCE = 100_000;

/** A call of the sink, as the session's frames read: name, then fields. */
export type Told = readonly [name: string, ...fields: unknown[]];

/** The session under test; the other members are played by the test, byte by byte, one to a path. */
export class Stage {
  readonly session: Session;
  now: Instant = 0;
  readonly events: SessionEvent[] = [];
  readonly peers = new Map<PathId, PlayedPeer>();

  constructor(role: "client" | "server", member: MemberId, limits: Partial<Limits> = {}) {
    const config: SessionConfig = {
      role,
      member,
      limits: { ...DEFAULT_LIMITS, ...limits },
      rng: new SeededRng(1),
      scheduler: schedulerFactory(),
      agent: "under test",
      clientKey: new Uint8Array(91),
      identity: role === "server" ? "sha256:server" : "",
      checksum: undefined,
    };
    this.session = role === "server" ? new Session(config, 0, { sessionId: SESSION_ID, side: ServerSide }) : new Session(config, 0);
  }

  /** A client with its first server, accepted. */
  static client(limits: Partial<Limits> = {}): { stage: Stage; primary: PlayedPeer } {
    const stage = new Stage("client", 0, limits);
    const primary = stage.dial("a.example:1");
    primary.reply(1);
    stage.settle();
    return { stage, primary };
  }

  /** A server with its client, accepted on path 0. */
  static server(limits: Partial<Limits> = {}): { stage: Stage; client: PlayedPeer } {
    const stage = new Stage("server", 1, limits);
    return { stage, client: stage.accept(0) };
  }

  /** Client: begins the next path, and the played server takes the hello or join. */
  dial(address: string, identity?: string, isEncrypted = true, takesRedirect = false): PlayedPeer {
    const plan = { address, identity, priority: 128, request: undefined };
    const path = this.session.opening.openPath(this.now, plan);
    if ("code" in path) throw new Error("the path may not be opened");
    const peer = new PlayedPeer(this, path.id);
    this.peers.set(path.id, peer);
    const link = { address, transport: "played", identity, isEncrypted };
    if (path.id === 0) this.session.opening.hello(this.now, path.id, link, "", takesRedirect);
    else {
      const proof = { ticket: "", proof: new Uint8Array(64) };
      this.session.opening.join(this.now, path.id, link, "", proof);
    }
    this.settle();
    return peer;
  }

  /** Client: a further path to a server that the primary vouches for, accepted. */
  dialVouched(address: string, identity: string): PlayedPeer {
    const peer = this.dial(address, identity);
    const path = this.session.state.paths.byId(peer.pathId);
    if (path !== undefined) this.session.clientPaths?.vouched(path, 1);
    peer.reply(path?.member ?? 0);
    this.settle();
    return peer;
  }

  /** Server: a played client's path, accepted; `early` bytes come before that, on a data carrier. */
  accept(pathId: PathId, early?: (encoder: PacketEncoder) => void): PlayedPeer {
    const peer = new PlayedPeer(this, pathId);
    this.peers.set(pathId, peer);
    const { limits } = this.session.state;
    const acceptor = new PathAcceptor({ limits, checksum: undefined, requireChecksum: false });
    peer.acceptor = acceptor;
    peer.open(CarrierKind.control);
    const common = { versions: [1], credit: CREDIT, clientKey: new Uint8Array(91) };
    peer.say(
      pathId === 0 ? partialBody("clientHello", common) : partialBody("join", { ...common, sessionId: SESSION_ID, pathId, memberId: 1 }),
    );
    if (early !== undefined) peer.packet(early);
    const opening = acceptor.pollOpening();
    if (opening === undefined || "code" in opening) throw new Error("the played client is refused");
    peer.acceptor = undefined;
    const link = { address: "client:1", transport: "played", identity: undefined, isEncrypted: true };
    this.session.server?.acceptance.accept(this.now, acceptor, opening, link, true);
    this.settle();
    return peer;
  }

  /** Carries out everything that the session wants. */
  settle(): void {
    let sent = 0;
    for (let isMore = true; isMore; ) {
      isMore = false;
      for (let next = this.session.pollTransmit(this.now); next !== undefined; next = this.session.pollTransmit(this.now)) {
        isMore = true;
        sent += 1;
        if (sent > MAX_SENT_AT_ONCE) throw new Error("the session does not stop sending");
        const peer = this.peers.get(next.pathId);
        if (next.kind === "open") this.session.handleCarrierOpened(this.now, next.pathId, peer?.carrierOfOther());
        else if (next.kind === "send") for (const part of next.parts) peer?.arrived(next.carrier, part);
        else if (next.kind === "datagram") peer?.linkDatagrams.push(next.data);
        else if (next.kind === "reset-carrier") peer?.resets.push(next.carrier);
        else if (peer !== undefined) peer.closed = { code: next.code, reason: next.reason };
      }
      for (let event = this.session.pollEvent(); event !== undefined; event = this.session.pollEvent()) this.events.push(event);
    }
  }

  /** Lets time pass, with the timeouts on the way. */
  pass(ms: number): void {
    const end = this.now + ms;
    let rounds = 0;
    for (;;) {
      const due = this.session.pollTimeout();
      if (due === undefined || due > end) break;
      this.now = Math.max(this.now, due);
      this.session.handleTimeout(this.now);
      this.settle();
      rounds += 1;
      if (rounds > MAX_TIMEOUTS_AT_ONCE) throw new Error("the session does not stop asking to be woken");
      // What was due and is owed for other reasons (an acknowledgement) went out; whatever remains is for later.
      if ((this.session.pollTimeout() ?? Number.POSITIVE_INFINITY) <= this.now) this.now += 0.5;
    }
    this.now = end;
    this.settle();
  }
}

/** The other end of one path, played by the test: what it was told, and whatever it says, true or not. */
export class PlayedPeer {
  readonly #stage: Stage;
  readonly pathId: PathId;
  acceptor: PathAcceptor | undefined;
  readonly envelopes: Envelope[] = [];
  readonly told: Told[] = [];
  /** Numbers of the packets that came, and whether they ask for an acknowledgement. */
  readonly packets: { readonly number: number; readonly isAckEliciting: boolean }[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Carriers that the session ended. */
  readonly resets: CarrierId[] = [];
  readonly linkDatagrams: Uint8Array[] = [];
  /** Packets that came with a checksum. */
  checksumCount = 0;
  readonly #inputs = new Map<CarrierId, { kind: CarrierKind | undefined; preamble: PreambleReader; packets: PacketDecoder }>();
  readonly #control = new ControlDecoder(DEFAULT_LIMITS, EVERY_MESSAGE);
  readonly #encoder = new PacketEncoder();
  #controlCarrier: CarrierId | undefined;
  #dataCarrier: CarrierId | undefined;
  #nextCarrier = 1;
  #nextPacket = 0;
  #nextSeq = 1;

  constructor(stage: Stage, pathId: PathId) {
    this.#stage = stage;
    this.pathId = pathId;
  }

  /** What it was told in control messages of one kind. */
  messages(kind: ControlBody["case"]): unknown[] {
    return this.envelopes.filter((envelope) => envelope.body.case === kind).map((envelope) => envelope.body.value);
  }

  frames(name: string): Told[] {
    return this.told.filter((call) => call[0] === name);
  }

  /** The carrier on which it talks of the session, once there is one. */
  get controlCarrier(): CarrierId | undefined {
    return this.#controlCarrier;
  }

  /** Opens a carrier of its own; its number. */
  open(kind: CarrierKind): CarrierId {
    const carrier = this.#nextCarrier++;
    this.#inputs.set(carrier, { kind, preamble: new PreambleReader(), packets: this.#newDecoder(carrier) });
    if (kind === CarrierKind.control) this.#controlCarrier = carrier;
    if (kind === CarrierKind.data) this.#dataCarrier = carrier;
    this.bytes(carrier, encodePreamble(kind));
    if (this.acceptor === undefined) this.#stage.settle();
    return carrier;
  }

  carrierOfOther(): CarrierId {
    const carrier = this.#nextCarrier++;
    this.#inputs.set(carrier, { kind: undefined, preamble: new PreambleReader(), packets: this.#newDecoder(carrier) });
    return carrier;
  }

  bytes(carrier: CarrierId, data: Uint8Array): void {
    if (this.acceptor !== undefined) this.acceptor.handleData(carrier, data);
    else this.#stage.session.handleCarrierData(this.#stage.now, this.pathId, carrier, data);
  }

  /** Says something on the control carrier; numbered in order unless a number is given. */
  say(message: ControlBody, seq?: number, ack = 0): void {
    const number = seq ?? (isPathScoped(message.case) ? 0 : this.#nextSeq++);
    this.bytes(this.#controlCarrier ?? -1, encodeEnvelope(EVERY_MESSAGE, envelopeOf(message, number, ack)));
    this.#stage.settle();
  }

  /** A server's acceptance. */
  reply(memberId: MemberId, more: { resumed?: boolean; credit?: typeof CREDIT } = {}): void {
    this.say(partialBody("helloReply", { version: 1, sessionId: SESSION_ID, memberId, credit: CREDIT, ...more }));
  }

  /** A packet of whatever frames `write` puts into it, on its first data carrier if none is given; answers its number. */
  packet(write: (encoder: PacketEncoder) => void, number = this.#nextPacket++, on: CarrierId | undefined = this.#dataCarrier): number {
    const carrier = on ?? this.open(CarrierKind.data);
    this.#encoder.begin(number);
    write(this.#encoder);
    for (const part of this.#encoder.finish()) this.bytes(carrier, new Uint8Array(part));
    if (this.acceptor === undefined) this.#stage.settle();
    return number;
  }

  /** Its last packet on a carrier. */
  retire(carrier: CarrierId): void {
    this.packet((encoder) => encoder.carrierRetire(), undefined, carrier);
  }

  /** Acknowledges every packet of this path that came, on `way` (this path by default). */
  acknowledge(way: PlayedPeer = this): void {
    const largest = Math.max(...this.packets.map((packet) => packet.number));
    if (largest < 0) return;
    way.packet((encoder) => encoder.ack({ pathId: this.pathId, largest, delayMicros: 0, ranges: [0, largest] }));
  }

  arrived(carrier: CarrierId, part: Uint8Array): void {
    const input = this.#inputs.get(carrier);
    if (input === undefined) return;
    let data = part;
    if (input.kind === undefined) {
      const outcome = input.preamble.push(part);
      if (outcome === undefined || "code" in outcome) return;
      input.kind = outcome.kind;
      if (outcome.kind === CarrierKind.control) this.#controlCarrier = carrier;
      else this.#dataCarrier ??= carrier;
      data = outcome.rest;
    }
    if (input.kind === CarrierKind.data) input.packets.push(data);
    else {
      this.#control.push(data);
      for (let envelope = this.#control.poll(); envelope !== undefined; envelope = this.#control.poll()) this.envelopes.push(envelope);
    }
  }

  #newDecoder(carrier: CarrierId): PacketDecoder {
    const sink = new Proxy(
      {},
      {
        get: (_, name) => {
          return (...fields: unknown[]): undefined => {
            if (name === "packetEnd") this.packets.push({ number: fields[0] as number, isAckEliciting: fields[1] as boolean });
            if (name === "packetBegin" || name === "packetEnd") return;
            const kept = fields.map((field) => (name === "ack" ? structuredCloneOfAck(field) : field));
            // The only frame that speaks of its carrier.
            if (name === "carrierRetire") kept.push(carrier);
            this.told.push([String(name), ...kept]);
          };
        },
      },
    ) as PacketSink;
    const checksum = (data: Uint8Array, seed: number): number => {
      // The sum goes on over header and payload.
      if (seed === 0) this.checksumCount += 1;
      return crc32(data, seed);
    };
    return new PacketDecoder(sink, { maxPacketBytes: 1_000_000, maxRawBytes: 1_000_000, maxDatagramBytes: 1_000_000, checksum });
  }
}

/** The decoder uses its ACK again. */
function structuredCloneOfAck(frame: unknown): unknown {
  const ack = frame as { readonly ranges: readonly number[] };
  return { ...ack, ranges: [...ack.ranges] };
}
