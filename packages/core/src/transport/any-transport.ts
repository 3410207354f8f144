import { isKwikError, KwikError } from "../api/errors.ts";
import type { TransportChoice } from "../api/stats.ts";
import { formatAddress, parseAddress, type ServerAddress, type TransportName } from "./address.ts";
import type { Link } from "./link.ts";
import { raceLinks } from "./race-links.ts";
import type { DialRequest, ListenRequest, Transport, TransportListener } from "./transport.ts";

/**
 * How long one transport has for itself before the next is tried beside it, in milliseconds. QUIC by pin takes three round trips and TCP two: with less, a long
 * path would get TCP for that reason alone.
 */
const HEAD_START_MS = 500;
/** For how long the transport that won goes first, and for how many servers that is remembered. */
const REMEMBER_MS = 10 * 60_000;
const MAX_REMEMBERED = 1_000;
/** Ports that are tried when any will do and one was free for some transports only. */
const ANY_PORT_TRIES = 8;

/**
 * Several transports as one, the preferred one first. Dials whichever works: the transport that the address names, or all of them in a race with
 * head starts, that which won at this server lately first. Listens on the same port with each of them, or with the one that the address names.
 */
export function anyTransport(transports: readonly Transport[], now: () => number = () => performance.now()): Transport {
  return new AnyTransport(transports, now);
}

class AnyTransport implements Transport {
  readonly name = "any";
  readonly #transports: readonly Transport[];
  readonly #now: () => number;
  readonly #winners = new Map<string, { readonly transport: Transport; readonly until: number }>();
  readonly #choices = new WeakMap<Link, TransportChoice>();

  constructor(transports: readonly Transport[], now: () => number) {
    this.#transports = transports;
    this.#now = now;
  }

  async dial(request: DialRequest): Promise<Link> {
    const usable = this.#named(request.address).filter((transport) => transport.name !== request.avoid);
    const [only] = usable;
    if (only === undefined) throw new KwikError("NOT_SUPPORTED", `there is no transport but ${request.avoid}`);
    if (usable.length === 1) return only.dial(request);
    const place = formatAddress(request.address);
    const winner = this.#winnerAt(place);
    const order = winner === undefined || !usable.includes(winner) ? usable : [winner, ...usable.filter((other) => other !== winner)];
    const attempts = order.map((transport) => (signal: AbortSignal) => transport.dial({ ...request, signal }));
    try {
      const link = await raceLinks(attempts, HEAD_START_MS, request.signal);
      // A race without the best one says nothing of it.
      if (request.avoid === undefined) this.#remember(place, link.properties.transport);
      this.#choices.set(link, link.properties.transport === winner?.name ? "remembered" : "race");
      return link;
    } catch (error) {
      // Giving the others up must not look like the caller's wish.
      if (request.signal?.aborted === true)
        throw new KwikError("ABORTED", `dialling ${place} was aborted`, { cause: request.signal.reason });
      this.#winners.delete(place);
      throw error;
    }
  }

  async listen(request: ListenRequest): Promise<TransportListener> {
    const named = this.#named(request.address);
    // WebSocket has no port of its own: the TCP transport serves it beside its own, where that is wanted.
    const usable = request.address.transport === undefined ? named.filter((transport) => transport.name !== "websocket") : named;
    for (let tries = 1; ; tries += 1) {
      try {
        return await listenWithAll(usable, request);
      } catch (error) {
        if (request.address.port !== 0 || tries === ANY_PORT_TRIES || usable.length === 1) throw error;
      }
    }
  }

  hasOther(address: ServerAddress, name: string): boolean {
    return address.transport === undefined && this.#transports.some((transport) => transport.name !== name);
  }

  prefers(name: string, over: string): boolean {
    const rank = (one: string): number => this.#transports.findIndex((transport) => transport.name === one);
    return rank(name) >= 0 && rank(name) < rank(over);
  }

  choiceOf(link: Link): TransportChoice | undefined {
    return this.#choices.get(link);
  }

  #named(address: ServerAddress): readonly Transport[] {
    if (address.transport === undefined) return this.#transports;
    const named = this.#transports.filter((transport) => transport.name === address.transport);
    if (named.length > 0) return named;
    const names = this.#transports.map((transport) => transport.name).join(" and ");
    throw new KwikError("NOT_SUPPORTED", `the transport ${address.transport} does not work on this machine; ${names} would`);
  }

  #winnerAt(place: string): Transport | undefined {
    const winner = this.#winners.get(place);
    if (winner === undefined || winner.until > this.#now()) return winner?.transport;
    this.#winners.delete(place);
    return undefined;
  }

  #remember(place: string, name: string): void {
    const transport = this.#transports.find((one) => one.name === name);
    // Whoever won with the head start of a winner has proven nothing new: its time is not made longer.
    if (transport === undefined || this.#winnerAt(place) === transport) return;
    if (this.#winners.size >= MAX_REMEMBERED) this.#winners.clear();
    this.#winners.set(place, { transport, until: this.#now() + REMEMBER_MS });
  }
}

/** All of them on one port, or none. */
async function listenWithAll(transports: readonly Transport[], request: ListenRequest): Promise<TransportListener> {
  const listeners: TransportListener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  const updateTls = async (tls: { readonly cert: string; readonly key: string }): Promise<void> => {
    // The last one first: that whose connections break by it comes when the others have taken it.
    for (const listener of [...listeners].reverse()) {
      if (listener.updateTls === undefined) throw new KwikError("NOT_SUPPORTED", "one of the transports cannot change its certificate");
      await listener.updateTls(tls);
    }
  };
  let address = request.address;
  try {
    for (const transport of transports) {
      const listener = await transport.listen({ ...request, address });
      listeners.push(listener);
      address = { ...address, port: parseAddress(listener.address).port };
    }
  } catch (error) {
    await close();
    const [first] = listeners;
    const blocked = transports[listeners.length]?.name as TransportName | undefined;
    if (first === undefined || request.address.port === 0 || !isKwikError(error) || error.code !== "IO") throw error;
    const alone = formatAddress({ ...address, transport: transports[0]?.name as TransportName });
    throw new KwikError("IO", `${error.message} (${blocked}); ${alone} would serve ${transports[0]?.name} only`, { cause: error });
  }
  return { address: listeners[0]?.address ?? formatAddress(address), close, updateTls };
}
