import { domainToASCII } from "node:url";
import {
  type DialOptions,
  type DialRequest,
  KwikError,
  type Link,
  type ListenRequest,
  type Relay,
  type ServerAddress,
  type Transport,
  type TransportChoice,
  type TransportListener,
} from "@kwik/core";
import { dialOver } from "@kwik/transport-tcp";
import { openTunnel } from "@kwik/tunnel";
import { LinkDuplex } from "./link-duplex.ts";
import { Refusals } from "./refusals.ts";
import { RelayAnswer } from "./relay-answer.ts";
import { RelayPlace } from "./relay-place.ts";
import { type RelayDial, RelaySessions } from "./relay-sessions.ts";

/** A transport that also reaches servers through relays: `dialRelay` makes the sessions with these. docs/protocol/relay.md */
export function withRelays(transport: Transport, dialRelay: RelayDial): Transport {
  return new RelayedTransport(transport, dialRelay);
}

class RelayedTransport implements Transport {
  readonly name: string;
  readonly #direct: Transport;
  readonly #sessions: RelaySessions;
  readonly #refusals = new Refusals();

  constructor(direct: Transport, dialRelay: RelayDial) {
    this.name = direct.name;
    this.#direct = direct;
    this.#sessions = new RelaySessions(dialRelay);
  }

  relaysOf(options: Pick<DialOptions, "relays" | "trust" | "transport">): readonly Relay[] {
    const places = (options.relays ?? []).map((relay) => RelayPlace.of(relay, options));
    return places.filter((place, index) => places.findIndex(({ name }) => name === place.name) === index);
  }

  async dial(request: DialRequest): Promise<Link> {
    const { relay } = request.address;
    if (relay === undefined) return this.#direct.dial(request);
    if (!(relay instanceof RelayPlace)) throw new KwikError("INVALID_ARGUMENT", `${relay.name} is no relay of this transport`);
    const question = JSON.stringify([relay.key, request.address.host, request.address.port]);
    const before = this.#refusals.of(question);
    if (before !== undefined) throw before;
    const answer = new RelayAnswer(request);
    if (request.signal?.aborted === true) throw answer.aborted();
    try {
      return await this.#dialThrough(relay, request, answer);
    } catch (error) {
      // What is wrong with the home may be right at the next try.
      if (answer.failure === undefined) throw error;
      this.#refusals.remember(question, answer.failure);
      throw answer.failure;
    }
  }

  listen(request: ListenRequest): Promise<TransportListener> {
    return this.#direct.listen(request);
  }

  hasOther(address: ServerAddress, name: string): boolean {
    return address.relay === undefined && this.#direct.hasOther?.(address, name) === true;
  }

  prefers(name: string, over: string): boolean {
    return this.#direct.prefers?.(name, over) === true;
  }

  choiceOf(link: Link): TransportChoice | undefined {
    return this.#direct.choiceOf?.(link);
  }

  async #dialThrough(relay: RelayPlace, request: DialRequest, answer: RelayAnswer): Promise<Link> {
    const started = performance.now();
    const { timeoutMs } = request;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = request.signal === undefined ? late : AbortSignal.any([request.signal, late]);
    const { port } = request.address;
    // Other alphabets travel as punycode; what is an address and no name stays as it is.
    const host = domainToASCII(request.address.host) || request.address.host;
    const lease = await answer.orFailure(this.#sessions.lease(relay, timeoutMs, signal));
    let duplex: LinkDuplex;
    try {
      const tunnel = await answer.orFailure(openTunnel(lease.session, { kind: "link", host, port }, { signal, timeoutMs }));
      // TLS begins behind the request: it hears of a refusal as an end that nobody explains.
      void answer.orFailure(tunnel.connected).catch(() => undefined);
      duplex = new LinkDuplex(tunnel);
    } catch (error) {
      lease.release();
      throw error;
    }
    duplex.once("close", lease.release);
    const leftMs = Math.max(1, timeoutMs - (performance.now() - started));
    return dialOver(duplex, { ...request, timeoutMs: leftMs }, "relay");
  }
}
