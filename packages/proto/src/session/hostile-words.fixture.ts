import { ErrorCode } from "../base/error-codes.ts";
import { type StreamId, streamIdOf } from "../base/ids.ts";
import type { ControlBody, ControlKind } from "../control/control-body.ts";
import { partialBody, CONTROL_KINDS } from "../control/partial-body.ts";
import type { PacketEncoder } from "../wire/packet-encoder.ts";
import { CREDIT, type PlayedPeer, SESSION_ID } from "./played-peer.fixture.ts";
import type { Session } from "./session.ts";

const KiB = 1024;

/** Messages that a server may send; all others are for it. */
const OF_SERVERS: readonly ControlKind[] = [
  "addPath",
  "removePath",
  "ticketReply",
  "rawMessage",
  "contentOffer",
  "contentOffer",
  "contentHashes",
  "contentHashes",
  "rangeRefused",
  "goingAway",
  "streamAnnounce",
  "rawReply",
];
const OF_CLIENTS: readonly ControlKind[] = [
  "addPathResult",
  "removePathResult",
  "ticketRequest",
  "pathStatus",
  "contentDone",
  "rangeRequest",
  "rangeRequest",
  "rangeCancel",
  "streamAnnounce",
  "rawReply",
];
/** Numbers near what a session knows, and at the edges of what can be written. */
const EDGES = [
  0,
  1,
  2,
  3,
  5,
  100,
  1000,
  1024,
  16 * KiB,
  64 * KiB,
  256 * KiB,
  256 * KiB + 1,
  1_000_000,
  4_000_000,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 40,
  2 ** 53 - 2,
  2 ** 53 - 1,
];

/** What the names of acts leave open: numbers that shrink with the acts. */
export class Dice {
  #dice: readonly number[] = [];
  #at = 0;

  take(dice: readonly number[]): void {
    this.#dice = dice;
    this.#at = 0;
  }

  roll(sides: number): number {
    const value = this.#dice[this.#at % this.#dice.length] ?? 0;
    this.#at += 1;
    return value % sides;
  }

  flag(): boolean {
    return this.roll(2) === 1;
  }

  number(max = Number.MAX_SAFE_INTEGER): number {
    return Math.min(EDGES[this.roll(EDGES.length)] ?? 0, max);
  }

  small(): number {
    return this.roll(6);
  }

  bytes(max: number): Uint8Array {
    return new Uint8Array(Math.min(this.number(), max)).fill(this.roll(256));
  }
}

/** Frames and messages that are valid by themselves, with any numbers. */
export class HostileWords {
  /** The server that speaks. */
  member = 1;
  readonly #session: Session;
  readonly #dice: Dice;

  constructor(session: Session, dice: Dice) {
    this.#session = session;
    this.#dice = dice;
  }

  streamId(): StreamId {
    const sequence = [0, 0, 0, 1, 1, 2, 3, 0, 0, 0, 1, 2, 3, 1, 99, 100, 999, 1000, 2 ** 30][this.#dice.roll(19)] ?? 0;
    const { isClient } = this.#session.state;
    const home = this.#dice.roll(8) === 0 ? this.#dice.roll(5) : isClient ? this.member : 1;
    const opener = this.#dice.roll(4) === 0 ? "client" : "server";
    return streamIdOf(
      home,
      isClient === (opener === "server") || this.#dice.roll(8) === 0 ? opener : isClient ? "server" : "client",
      this.#dice.flag() ? "unidirectional" : "bidirectional",
      sequence,
    );
  }

  /** Writes one frame. */
  frame(encoder: PacketEncoder, peer: PlayedPeer): void {
    switch (this.#dice.roll(20)) {
      case 0:
        return encoder.probe();
      case 1: {
        const known = Math.max(0, ...peer.packets.map((packet) => packet.number));
        const largest = this.#dice.roll(30) === 0 ? this.#dice.small() : this.#dice.roll(known + 1);
        return encoder.ack({
          pathId: this.#dice.roll(20) > 0 ? peer.pathId : this.#dice.small(),
          largest,
          delayMicros: this.#dice.number(),
          ranges: [this.#dice.roll(largest + 1), largest],
        });
      }
      case 2:
      case 3:
      case 4:
        return encoder.stream(this.streamId(), this.#dice.number(2 ** 52), this.#dice.bytes(70 * KiB), this.#dice.roll(4) === 0);
      case 5:
        return encoder.resetStream(this.streamId(), this.#dice.number(), this.#dice.number());
      case 6:
        return encoder.stopSending(this.streamId(), this.#dice.number());
      case 7:
        return encoder.maxData(this.#dice.number());
      case 8:
        return encoder.maxStreamData(this.streamId(), this.#dice.number());
      case 9:
        return encoder.maxStreams(this.#dice.flag() ? "unidirectional" : "bidirectional", this.#dice.number());
      case 10:
        return encoder.dataBlocked(this.#dice.number());
      case 11:
        return encoder.streamDataBlocked(this.streamId(), this.#dice.number());
      case 12:
        return encoder.streamsBlocked(this.#dice.flag() ? "unidirectional" : "bidirectional", this.#dice.number());
      case 13:
        return encoder.priority(this.streamId(), this.#dice.roll(256));
      case 14:
        return encoder.rangeData(this.#dice.small(), this.#dice.number(2 ** 52), this.#dice.bytes(70 * KiB));
      case 15:
        if (this.#session.state.isClient && this.#dice.roll(10) > 0) return encoder.probe();
        return encoder.raw(this.#dice.small(), this.#dice.small(), this.#dice.bytes(20 * KiB));
      case 16:
        return encoder.rawReply(this.#dice.small(), this.#dice.number(), this.#dice.bytes(20 * KiB));
      case 17:
        return encoder.datagram(this.#dice.number(), this.#dice.bytes(10 * KiB));
      case 18:
        return encoder.pathClose(this.#dice.small(), this.#dice.number(), "x".repeat(this.#dice.number(1000)));
      default:
        return this.#dice.roll(20) === 0 ? encoder.carrierRetire() : encoder.padding(1 + this.#dice.roll(9));
    }
  }

  message(): ControlBody {
    const kinds = this.#dice.roll(60) === 0 ? CONTROL_KINDS : this.#session.state.isClient ? OF_SERVERS : OF_CLIENTS;
    const kind = kinds[this.#dice.roll(kinds.length)] ?? "goingAway";
    return partialBody(kind, this.#fields(kind));
  }

  /** What a message of this kind may hold; the pairing is the table's. */
  #fields(kind: ControlKind): Readonly<Record<string, unknown>> {
    const requestId = this.#dice.small();
    const pathId = this.#dice.small();
    const code = this.#dice.roll(40);
    const reason = "x".repeat(this.#dice.roll(700));
    const uint32 = (): number => this.#dice.number(2 ** 32 - 1);
    const streamId = BigInt(this.streamId());
    switch (kind) {
      case "clientHello":
        return { versions: [1], credit: CREDIT, clientKey: new Uint8Array(91) };
      case "join":
        return { versions: [1], credit: CREDIT, clientKey: new Uint8Array(91), sessionId: SESSION_ID, pathId, memberId: 1 };
      case "helloReply":
        return {
          version: this.#dice.roll(3),
          sessionId: SESSION_ID,
          memberId: this.#dice.small(),
          resumed: this.#dice.flag(),
          ...(this.#dice.flag() ? { credit: CREDIT } : {}),
        };
      case "refused":
        return { code, reason, retryAfterMs: uint32(), redirectPort: uint32() };
      case "addPath":
        return { requestId, address: ["", "b.example:1", "x".repeat(1000)][this.#dice.roll(3)], identity: "sha256:1", priority: uint32() };
      case "addPathResult":
      case "removePathResult":
        return { requestId, code, reason, pathId };
      case "ticketRequest":
        return { requestId, pathId, memberId: this.#dice.small(), address: "b.example:1", identity: "sha256:1" };
      case "ticketReply":
        return { requestId, ticket: "t".repeat(this.#dice.number(5000)), code, reason };
      case "removePath":
        return { requestId, pathId, graceMs: uint32() };
      case "pathStatus":
        return {
          pathId,
          memberId: this.#dice.small(),
          address: "b.example:1",
          state: ["active", "degraded", "dead", "wrong"][this.#dice.roll(4)],
          rttMs: uint32(),
        };
      case "streamAnnounce":
        return {
          streamId,
          priority: uint32(),
          contributions: this.#dice.flag(),
          homeMember: this.#dice.small(),
          maxStreamData: BigInt(this.#dice.number()),
        };
      case "rawMessage":
        return { requestId, targetPathId: pathId, data: this.#dice.bytes(300 * KiB) };
      case "rawReply":
        return { requestId, code, reason, data: this.#dice.bytes(20 * KiB) };
      case "contentOffer": {
        const length = this.#dice.number(2 ** 40);
        const contentOffset = this.#dice.roll(20) === 0 ? 1 : this.#dice.roll(3) * 256 * KiB;
        const blockBytes = this.#dice.roll(20) === 0 ? 4096 : [16 * KiB, 64 * KiB, 256 * KiB][this.#dice.roll(3)];
        return {
          streamId,
          offerId: this.#dice.small(),
          streamOffset: BigInt(this.#dice.number()),
          contentId: this.#dice.roll(30) === 0 ? "" : "film",
          version: "1",
          contentLength: BigInt(this.#dice.roll(30) === 0 ? this.#dice.number() : contentOffset + length),
          contentOffset: BigInt(contentOffset),
          length: BigInt(length),
          blockBytes,
          end: this.#dice.flag(),
        };
      }
      case "contentHashes":
        return {
          streamId,
          offerId: this.#dice.small(),
          firstBlock: this.#dice.small(),
          hashes: new Uint8Array(32 * this.#dice.roll(9) + (this.#dice.roll(9) === 0 ? 1 : 0)),
          root: new Uint8Array(this.#dice.flag() ? 32 : this.#dice.roll(2)),
        };
      case "contentDone":
        return { streamId, offerId: this.#dice.small(), code, reason, stopped: this.#dice.roll(2) === 0, stopCode: BigInt(code) };
      case "rangeRequest": {
        const offset = this.#dice.number(2 ** 40);
        return {
          requestId,
          contentId: this.#dice.roll(9) === 0 ? "" : "film",
          version: "1",
          contentLength: BigInt(this.#dice.roll(4) === 0 ? this.#dice.number() : offset + 2 ** 30),
          offset: BigInt(offset),
          length: BigInt(1 + this.#dice.number(2 ** 29)),
          priority: uint32(),
        };
      }
      case "rangeCancel":
        return { requestId };
      case "rangeRefused":
        return {
          requestId,
          code: [ErrorCode.CONTENT_NOT_FOUND, ErrorCode.CONTENT_VERSION, ErrorCode.LIMIT_REACHED, code][this.#dice.roll(4)],
          reason,
          version: "2",
        };
      case "sessionClose":
        return { code, reason, application: this.#dice.flag() };
      case "goingAway":
        return { reason, graceMs: uint32(), replacements: ["x"] };
      default:
        return {};
    }
  }
}
