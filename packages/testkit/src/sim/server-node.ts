import {
  ErrorCode,
  PathAcceptor,
  SeededRng,
  ServerSide,
  Session,
  type CarrierId,
  type Opening,
  type PathId,
  type SessionEvent,
} from "@kwik/proto";
import { BLOCK_BYTES, CONTENT_VERSION, type ContentShelf, hashesOf, type SimContent } from "./content-shelf.ts";
import { Endpoint, type EndpointOwner } from "./endpoint.ts";
import type { Line } from "./line.ts";
import type { Acceptor, Setting } from "./network.ts";
import type { HostClock } from "./host-clock.ts";
import { serverSideOf } from "./server-side-of.ts";
import type { SimLinkEnd } from "./sim-link.ts";
import type { SimStream } from "./sim-stream.ts";
import { StreamEnds } from "./stream-ends.ts";

/** How a request of a server to the client ended. */
export interface RequestResult {
  readonly code: number;
  readonly reason: string;
  readonly pathId: PathId;
}

const REFUSAL_LINGER_MS = 500;
/** How often a server that drains looks whether its clients have left. */
const DRAIN_LOOK_MS = 50;
/** Its links are closed by then, politely. */
const DEPART_LINGER_MS = 1_100;

/** A server of a simulated world: takes connections, holds one end of the session, and does what its application would. */
export class ServerNode implements Acceptor, EndpointOwner {
  readonly index: number;
  readonly identity: string;
  readonly shelf: ContentShelf;
  isRunning = true;
  /** Sessions by id, in hexadecimal digits. */
  readonly sessions = new Map<string, Endpoint>();
  readonly requests = new Map<number, RequestResult>();
  readonly rawReplies = new Map<number, { readonly code: number; readonly isRight: boolean }>();
  readonly contentsDone = new Map<number, number>();
  readonly datagrams: Uint8Array[] = [];
  rawRequestCount = 0;
  /** Answers to raw messages take this long. */
  rawAnswerMs = 0;
  readonly #setting: Setting;
  readonly #rawSent = new Map<number, Uint8Array>();
  readonly #ends = new Set<SimLinkEnd>();
  #latest: Endpoint | undefined;
  /** Grows with every death: what was planned before is void. */
  #incarnation = 0;
  #isDraining = false;

  constructor(index: number, setting: Setting, shelf: ContentShelf) {
    this.index = index;
    this.identity = `sha256:server-${index}`;
    this.#setting = setting;
    this.shelf = shelf;
  }

  get clock(): HostClock {
    return this.#setting.clock;
  }

  /** The session that was begun here last. */
  get endpoint(): Endpoint | undefined {
    return this.#latest;
  }

  /** Without a word to anybody. */
  kill(): void {
    this.isRunning = false;
    for (const endpoint of this.sessions.values()) endpoint.stop();
    for (const end of this.#ends) end.vanish();
    this.#ends.clear();
    this.sessions.clear();
    this.#latest = undefined;
    this.#incarnation += 1;
    this.#isDraining = false;
  }

  /** Stops as a listener does that is closed: tells its clients, waits until they have left or `graceMs` are over, and is gone. spec: DRAIN-1, DRAIN-5 */
  drain(graceMs: number, replacements: readonly string[] = []): void {
    if (!this.isRunning || this.#isDraining) return;
    this.#isDraining = true;
    const { clock } = this.#setting;
    const incarnation = this.#incarnation;
    const isVoid = (): boolean => incarnation !== this.#incarnation;
    const live = (): Endpoint[] => [...this.sessions.values()].filter((endpoint) => endpoint.ended === undefined);
    for (const endpoint of live()) {
      endpoint.session.goAway(clock.now, "maintenance", graceMs, replacements);
      endpoint.wake();
    }
    const finish = (): void => {
      if (isVoid()) return;
      for (const endpoint of live()) {
        endpoint.session.depart(clock.now, "maintenance");
        endpoint.pump();
      }
      clock.schedule(DEPART_LINGER_MS, () => {
        if (!isVoid()) this.kill();
      });
    };
    const end = clock.now + graceMs;
    const look = (): void => {
      if (isVoid()) return;
      if (clock.now >= end || live().length === 0) finish();
      else clock.schedule(DRAIN_LOOK_MS, look);
    };
    look();
  }

  restart(): void {
    if (this.isRunning) this.kill();
    this.isRunning = true;
  }

  accept(end: SimLinkEnd, line: Line): void {
    this.#ends.add(end);
    const { clock, serverLimits } = this.#setting;
    const acceptor = new PathAcceptor({ limits: serverLimits, checksum: undefined, requireChecksum: false });
    let isDecided = false;
    const refuse = (code: number, reason: string): void => {
      isDecided = true;
      const control = acceptor.input.controlCarrier;
      if (control !== undefined) end.send(control, [PathAcceptor.refusal(code, reason)]);
      clock.schedule(control === undefined ? 0 : REFUSAL_LINGER_MS, () => end.close(code, reason));
    };
    end.host = clock;
    end.observer = {
      onData: (carrier: CarrierId, data: Uint8Array) => {
        if (isDecided) return;
        const problem = acceptor.handleData(carrier, data);
        if (problem !== undefined) return refuse(problem.code, problem.reason);
        const opening = acceptor.pollOpening();
        if (opening === undefined) return;
        isDecided = true;
        if ("code" in opening) return refuse(opening.code, opening.reason);
        this.#decide(end, line, acceptor, opening, refuse);
      },
      onCarrierEnd: () => undefined,
      onDatagram: () => undefined,
      onBatchEnd: () => undefined,
      onClose: () => this.#ends.delete(end),
    };
  }

  onEvent(endpoint: Endpoint, event: SessionEvent): void {
    const { session } = endpoint;
    switch (event.type) {
      case "ticket-wanted":
        serverSideOf(session).paths.answerTicket(event.requestId, ticketFor(session.state.id, event.pathId, event.memberId), 0, "");
        return;
      case "path-request-done":
        this.requests.set(event.requestId, { code: event.code, reason: event.reason, pathId: event.pathId });
        return;
      case "content-read":
        this.#setting.clock.schedule(this.shelf.options.diskMs ?? 0, () => {
          if (endpoint.isStopped) return;
          const answer = this.shelf.read(event);
          if ("data" in answer) serverSideOf(session).content.handleRead(event.requestId, event.offset, answer.data);
          else serverSideOf(session).content.handleReadFailed(event.requestId, event.offset, answer.code, answer.reason, answer.version);
          endpoint.pump();
        });
        return;
      case "content-done":
        this.contentsDone.set(event.offerId, event.code);
        return;
      case "raw-request":
        this.rawRequestCount += 1;
        this.#setting.clock.schedule(this.rawAnswerMs, () => {
          serverSideOf(session).raw.reply(event.requestId, 0, event.data.slice().reverse());
          endpoint.pump();
        });
        return;
      case "raw-reply": {
        const sent = this.#rawSent.get(event.requestId);
        if (sent === undefined || this.rawReplies.has(event.requestId))
          throw new Error(`server ${this.index}: a reply to a raw message that was not open`);
        const isRight = Buffer.from(sent).reverse().equals(event.data);
        if (event.code === 0 && !isRight) throw new Error(`server ${this.index}: a raw reply with other bytes`);
        this.rawReplies.set(event.requestId, { code: event.code, isRight });
        return;
      }
      case "datagram":
        this.datagrams.push(event.data);
        return;
      default:
    }
  }

  onLinkGone(): void {}

  /** Answers the number of the request, or undefined without a session. */
  addPath(address: string, identity: string, priority = 128): number | undefined {
    const requestId = this.#latest?.session.server?.paths.request(address, identity, priority);
    this.#latest?.wake();
    return requestId;
  }

  removePath(pathId: PathId, graceMs = 1_000): number | undefined {
    const requestId = this.#latest?.session.server?.paths.remove(pathId, graceMs);
    this.#latest?.wake();
    return requestId;
  }

  sendRaw(data: Uint8Array, targetPath: PathId): number | undefined {
    const endpoint = this.#latest;
    if (endpoint === undefined || endpoint.ended !== undefined) return undefined;
    const requestId = serverSideOf(endpoint.session).raw.send(data, targetPath);
    this.#rawSent.set(requestId, data);
    endpoint.wake();
    return requestId;
  }

  /** Puts a content into a stream that is at home here; answers the number of the offer. */
  sendContent(stream: SimStream, content: SimContent, isEnd: boolean, hashDelayMs = 1): number | undefined {
    const endpoint = this.#latest;
    const flow = stream.down;
    if (endpoint === undefined || endpoint.ended !== undefined || flow === undefined || flow.isFinishWanted || flow.resetCode !== undefined)
      return undefined;
    if (endpoint.streams.entry(stream.id)?.sender === undefined) return undefined;
    const start = endpoint.streams.skip(stream.id, content.length);
    flow.addRegion(start, content.length, content.key, 0);
    const offerId = serverSideOf(endpoint.session).content.offer({
      streamId: BigInt(stream.id),
      streamOffset: BigInt(start),
      contentId: content.id,
      version: CONTENT_VERSION,
      contentLength: BigInt(content.length),
      contentOffset: 0n,
      length: BigInt(content.length),
      blockBytes: BLOCK_BYTES,
      end: isEnd,
    });
    if (isEnd) stream.finish("server");
    const { hashes, root } = hashesOf(content);
    this.#setting.clock.schedule(hashDelayMs, () => {
      if (endpoint.isStopped || endpoint.ended !== undefined) return;
      serverSideOf(endpoint.session).content.sendHashes(offerId, 0, hashes, root);
      endpoint.wake();
    });
    endpoint.wake();
    return offerId;
  }

  #decide(end: SimLinkEnd, line: Line, acceptor: PathAcceptor, opening: Opening, refuse: (code: number, reason: string) => void): void {
    const { clock, rng } = this.#setting;
    let id: Uint8Array;
    let member = 1;
    let isVouched = true;
    if (opening.kind === "hello" && this.#isDraining) return refuse(ErrorCode.GOING_AWAY, "maintenance");
    if (opening.kind === "hello") {
      id = new Uint8Array(16).map(() => Math.floor(rng.next() * 256));
    } else {
      const { message } = opening;
      id = message.sessionId;
      member = message.memberId;
      let known = this.#live(id);
      if (known !== undefined && known.session.state.config.member !== member) {
        if (message.resume || member < known.session.state.config.member)
          return refuse(ErrorCode.PROTOCOL_VIOLATION, "another number than before");
        // The client has given up what this server still keeps. spec: RESUME-7
        known.session.giveUp(clock.now, "the client has begun anew");
        known.pump();
        known = undefined;
      }
      if (known === undefined && this.#isDraining) return refuse(ErrorCode.GOING_AWAY, "maintenance");
      if (known !== undefined) isVouched = false;
      else if (message.ticket === "") {
        if (message.resume) return refuse(ErrorCode.NO_SESSION, "this server does not know the session");
        isVouched = false;
      } else if (message.ticket !== ticketFor(id, message.pathId, member)) return refuse(ErrorCode.TICKET_REFUSED, "not a ticket for this");
    }
    const endpoint = this.#live(id) ?? this.#begin(id.slice(), member, opening);
    const pathId = opening.kind === "hello" ? 0 : opening.message.pathId;
    endpoint.attach(pathId, end);
    const info = { address: line.address, transport: "simulated", identity: undefined, isEncrypted: true };
    const path = serverSideOf(endpoint.session).acceptance.accept(clock.now, acceptor, opening, info, isVouched);
    if ("code" in path) return refuse(path.code, path.reason);
    endpoint.pump();
  }

  /** A session that has ended is forgotten, as a listener does. */
  #live(id: Uint8Array): Endpoint | undefined {
    const endpoint = this.sessions.get(hexOf(id));
    return endpoint?.ended === undefined ? endpoint : undefined;
  }

  #begin(id: Uint8Array, member: number, opening: Opening): Endpoint {
    const { clock, rng, incidents, streams, scheduler, serverLimits } = this.#setting;
    const session = new Session(
      {
        role: "server",
        member,
        limits: serverLimits,
        rng: new SeededRng(Math.floor(rng.next() * 2 ** 32)),
        scheduler,
        agent: "simulated/1",
        clientKey: opening.message.clientKey,
        identity: this.identity,
        checksum: undefined,
      },
      clock.now,
      { sessionId: id, side: ServerSide },
    );
    const name = `server ${this.index}`;
    const endpoint = new Endpoint(
      name,
      session,
      clock,
      new StreamEnds("server", name, session, clock, incidents, streams),
      incidents,
      this,
    );
    this.sessions.set(hexOf(id), endpoint);
    this.#latest = endpoint;
    // Numbers of requests begin anew with each session.
    this.requests.clear();
    this.rawReplies.clear();
    this.contentsDone.clear();
    this.#rawSent.clear();
    return endpoint;
  }
}

function ticketFor(sessionId: Uint8Array, pathId: PathId, memberId: number): string {
  return `ticket:${hexOf(sessionId)}:${pathId}:${memberId}`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
