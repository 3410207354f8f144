import { ErrorCode } from "../base/error-codes.ts";
import { streamIdOf } from "../base/ids.ts";
import { envelopeOf } from "../control/control-body.ts";
import { encodeEnvelope } from "../control/control-codec.ts";
import { EVERY_MESSAGE } from "../control/every-message.ts";
import { CarrierKind } from "../wire/preamble.ts";
import { Dice, HostileWords } from "./hostile-words.fixture.ts";
import type { PlayedPeer, Stage } from "./played-peer.fixture.ts";
import type { StreamEntry, StreamSender } from "./stream-entry.ts";

const KiB = 1024;
/** From a stream to the next of the same home and kind. */
const STREAM_STEP = streamIdOf(0, "client", "bidirectional", 1);
const FLOOD_BYTES = 50 * KiB;

/** What the other side does next: valid on the wire, in any order and with any numbers. `dice` decide what the name leaves open. */
export interface HostileAct {
  readonly kind: (typeof PEER_ACTS)[number];
  /** Which of the played peers. */
  readonly peer: number;
  readonly dice: readonly number[];
}

/** What the application of the session under test does meanwhile. */
export interface ApplicationAct {
  readonly kind: (typeof APPLICATION_ACTS)[number];
  readonly dice: readonly number[];
}

export type Act = HostileAct | ApplicationAct | { readonly kind: "pass"; readonly ms: number };

export const PEER_ACTS = [
  "packet",
  "message",
  "numbered-wrong",
  "bytes",
  "open",
  "close-carrier",
  "acknowledge",
  "link-datagram",
  "link-lost",
  "new-path",
  "serve-range",
  "flood",
] as const;

export const APPLICATION_ACTS = [
  "open-stream",
  "write",
  "finish",
  "reset",
  "stop-reading",
  "read",
  "priority",
  "datagram",
  "raw",
  "raw-reply",
  "contribute",
  "contribution-write",
  "contribution-close",
  "offer",
  "content-read",
  "verify",
  "take-streams",
  "request-path",
  "remove-path",
  "answer-ticket",
  "going-away",
  "close",
] as const;

/** Carries acts out on a stage. Keeps what the application of the session would keep. */
export class HostilePlay {
  readonly #stage: Stage;
  readonly #dice = new Dice();
  readonly #words: HostileWords;
  readonly #streams: StreamEntry[] = [];
  readonly #contributions: StreamSender[] = [];
  #nextPath: number;
  #seenEvents = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#words = new HostileWords(stage.session, this.#dice);
    this.#nextPath = stage.peers.size;
  }

  play(act: Act): void {
    if (act.kind === "pass") {
      this.#stage.pass(act.ms);
      return;
    }
    this.#dice.take(act.dice);
    if ("peer" in act) {
      const peers = [...this.#stage.peers.values()].filter((one) => one.closed === undefined);
      const peer = peers[act.peer % Math.max(1, peers.length)];
      if (peer !== undefined) this.#playPeer(peer, act.kind);
      else if (this.#stage.peers.size < 40) this.#newPath();
    } else this.#playApplication(act.kind);
    this.#stage.settle();
  }

  #playPeer(peer: PlayedPeer, kind: HostileAct["kind"]): void {
    const { session, now } = this.#stage;
    this.#words.member = session.state.paths.byId(peer.pathId)?.member ?? 1;
    switch (kind) {
      case "serve-range": {
        const asked = peer.messages("rangeRequest").slice(-8) as { requestId: number; offset: bigint; length: bigint }[];
        const request = asked[this.#dice.roll(Math.max(1, asked.length))];
        if (request === undefined) return;
        const from = this.#dice.flag() ? 0 : this.#dice.number(Number(request.length) - 1);
        const length = Math.min(Number(request.length) - from, 100 * KiB);
        for (let at = 0; at < 4; at += 1) {
          const offset = from + at * length;
          if (offset + length > Number(request.length)) break;
          peer.packet((encoder) => encoder.rangeData(request.requestId, Number(request.offset) + offset, new Uint8Array(length)));
        }
        return;
      }
      case "flood": {
        // More than any window allows: in one stream, or over several.
        const streams = 1 + this.#dice.roll(40);
        const first = this.#words.streamId();
        for (let at = 0; at < 40; at += 1) {
          const id = first + STREAM_STEP * (at % streams);
          peer.packet((encoder) => encoder.stream(id, Math.floor(at / streams) * FLOOD_BYTES, new Uint8Array(FLOOD_BYTES), false));
        }
        return;
      }
      case "packet": {
        const frames = 1 + this.#dice.roll(3);
        const number = this.#dice.roll(12) === 0 ? this.#dice.number() : undefined;
        peer.packet((encoder) => {
          for (let index = 0; index < frames; index += 1) this.#words.frame(encoder, peer);
        }, number);
        return;
      }
      case "message":
        peer.say(this.#words.message());
        return;
      case "numbered-wrong": {
        const carrier = peer.controlCarrier;
        if (carrier !== undefined)
          peer.bytes(carrier, encodeEnvelope(EVERY_MESSAGE, envelopeOf(this.#words.message(), this.#dice.roll(300), this.#dice.roll(20))));
        return;
      }
      case "bytes": {
        const carrier = this.#dice.roll(8);
        peer.bytes(
          carrier,
          Uint8Array.from({ length: 1 + this.#dice.roll(40) }, () => this.#dice.roll(256)),
        );
        return;
      }
      case "open":
        peer.open(this.#dice.roll(10) === 0 ? CarrierKind.control : CarrierKind.data);
        return;
      case "close-carrier":
        session.handleCarrierClosed(now, peer.pathId, this.#dice.roll(8));
        return;
      case "acknowledge":
        peer.acknowledge();
        return;
      case "link-datagram":
        session.handleDatagram(now, peer.pathId, this.#dice.bytes(20_000));
        return;
      case "link-lost":
        session.linkLost(now, peer.pathId, this.#dice.number(2 ** 32 - 1), "x".repeat(this.#dice.number(2000)));
        return;
      case "new-path":
        if (this.#stage.peers.size < 40) this.#newPath();
    }
  }

  #newPath(): void {
    const { session } = this.#stage;
    const { state } = session;
    if (!state.isClient) {
      try {
        this.#stage.accept(this.#nextPath++);
      } catch (error) {
        if (!String(error).includes("refused")) throw error;
      }
      return;
    }
    if (state.hasEnded) return;
    const names = ["a.example:1", "b.example:1", "c.example:1"];
    const at = this.#dice.roll(3);
    const address = names[at] ?? "";
    const identity = `sha256:${at}`;
    if (session.clientPaths?.refusalOf(address, identity) !== undefined) return;
    const peer = this.#stage.dial(address, identity);
    const path = state.paths.byId(peer.pathId);
    if (path !== undefined && this.#dice.flag()) session.clientPaths?.vouched(path, 1);
    if (this.#dice.roll(4) > 0) peer.reply(path?.member ?? 0, { resumed: this.#dice.flag() });
  }

  #stream(): StreamEntry | undefined {
    return this.#streams[this.#dice.roll(Math.max(1, this.#streams.length))];
  }

  #playApplication(kind: ApplicationAct["kind"]): void {
    const { session, now } = this.#stage;
    const { state } = session;
    switch (kind) {
      case "open-stream": {
        const members = state.isClient ? [...state.peers.values()].filter((peer) => !peer.isLost).map((peer) => peer.member) : [0];
        const member = members[this.#dice.roll(Math.max(1, members.length))];
        if (member === undefined || state.hasEnded) return;
        const entry = session.openStream(
          member,
          this.#dice.flag() ? "bidirectional" : "unidirectional",
          this.#dice.flag() ? this.#dice.roll(256) : undefined,
          this.#dice.flag(),
        );
        if (entry !== undefined) this.#streams.push(entry);
        return;
      }
      case "take-streams":
        for (
          let entry = session.pollIncomingStream(this.#dice.flag());
          entry !== undefined;
          entry = session.pollIncomingStream(this.#dice.flag())
        )
          this.#streams.push(entry);
        for (const entry of this.#streams) session.takeStream(entry);
        return;
      default:
    }
    const entry = this.#stream();
    switch (kind) {
      case "write":
        if (entry?.sender?.stream.state === "open") session.write(entry, this.#dice.bytes(300 * KiB));
        return;
      case "finish":
        if (entry?.sender?.stream.state === "open") session.finish(entry);
        return;
      case "reset":
        if (entry !== undefined) session.reset(entry, this.#dice.number());
        return;
      case "stop-reading":
        if (entry !== undefined) session.stopReading(entry, this.#dice.number());
        return;
      case "read":
        if (entry === undefined) return;
        if (this.#dice.flag()) while (session.read(now, entry) !== undefined);
        else session.readInto(now, entry, new Uint8Array(1 + this.#dice.number(50_000)));
        return;
      case "priority":
        if (entry !== undefined) session.setPriority(entry, this.#dice.roll(256));
        return;
      case "datagram":
        session.sendDatagram(now, this.#dice.bytes(20_000), ["best", "all", this.#dice.small()][this.#dice.roll(3)] as never);
        return;
      case "close":
        switch (this.#dice.roll(9)) {
          case 0:
            return session.close(now, this.#dice.small(), "bye", this.#dice.flag());
          case 1:
            if (!state.isClient) session.depart(now, "bye");
            return;
          default:
            return;
        }
      case "verify":
        this.#verify();
        return;
      default:
    }
    if (state.isClient && kind === "remove-path") session.clientPaths?.refuse(1, this.#dice.small(), 5, "no");
    const { server } = session;
    if (server === undefined || state.hasEnded) return;
    switch (kind) {
      case "raw":
        server.raw.send(this.#dice.bytes(300 * KiB), this.#dice.small());
        return;
      case "raw-reply":
        for (const event of this.#stage.events.slice(-30))
          if (event.type === "raw-request" && this.#dice.flag()) server.raw.reply(event.requestId, 0, this.#dice.bytes(20 * KiB));
        return;
      case "contribute": {
        const sender = server.contributions.open(this.#words.streamId(), this.#dice.number(2 ** 40));
        if (!("code" in sender)) this.#contributions.push(sender);
        return;
      }
      case "contribution-write": {
        const sender = this.#contributions[this.#dice.roll(Math.max(1, this.#contributions.length))];
        if (sender?.stream.state !== "open") return;
        sender.stream.write(this.#dice.bytes(100 * KiB));
        sender.peer.enqueue(sender);
        return;
      }
      case "contribution-close": {
        const [sender] = this.#contributions.splice(this.#dice.roll(Math.max(1, this.#contributions.length)), 1);
        if (sender !== undefined) server.contributions.close(sender);
        return;
      }
      case "offer":
        server.content.sendHashes(
          server.content.offer({
            streamId: BigInt(this.#words.streamId()),
            streamOffset: 0n,
            contentId: "film",
            version: "1",
            contentLength: 100_000n,
            contentOffset: 0n,
            length: 100_000n,
            blockBytes: 64 * KiB,
            end: true,
          }),
          0,
          new Uint8Array(64),
          new Uint8Array(32),
        );
        return;
      case "content-read":
        for (const event of this.#stage.events.slice(-30)) {
          if (event.type !== "content-read") continue;
          if (this.#dice.roll(4) === 0)
            server.content.handleReadFailed(event.requestId, event.offset, ErrorCode.CONTENT_NOT_FOUND, "no", "");
          else server.content.handleRead(event.requestId, event.offset, new Uint8Array(this.#dice.roll(9) === 0 ? 1 : event.length));
        }
        return;
      case "request-path":
        server.paths.request("b.example:1", "", 128);
        return;
      case "remove-path":
        server.paths.remove(this.#dice.small(), this.#dice.number(100_000));
        return;
      case "answer-ticket":
        server.paths.answerTicket(this.#dice.small(), "t", 0, "");
        return;
      case "going-away":
        session.goAway(now, "away", 1000);
        return;
      default:
    }
  }

  #verify(): void {
    const { events, session } = this.#stage;
    for (; this.#seenEvents < events.length; this.#seenEvents += 1) {
      const event = events[this.#seenEvents];
      if (event?.type === "verify-block")
        session.content.handleVerified(event.fetchId, "block", event.block, event.attempt, this.#dice.flag());
      else if (event?.type === "verify-root") session.content.handleVerified(event.fetchId, "root", 0, 0, this.#dice.flag());
    }
  }
}
