import { checkOptions, dialPlan, KwikError, type OptionKinds } from "@kwik/core";
import type {
  AuthorityResolver,
  DialPlan,
  DialRequest,
  Link,
  ListenRequest,
  PinResolver,
  Transport,
  TransportListener,
  TrustAnchor,
} from "@kwik/core";
import { QuicListener } from "./listener.ts";
import type { QuicListenOptions } from "./listener.ts";
import { QuicDial } from "./quic-dial.ts";

export interface QuicTransportOptions extends QuicListenOptions {
  /** Believes or refuses what a server claimed, by pins. Without it, servers known by their key alone are NOT_SUPPORTED. */
  readonly resolvePin?: PinResolver;
  /** The same by a given authority, for servers dialled by IP address. Without it, those are NOT_SUPPORTED. */
  readonly resolveAuthority?: AuthorityResolver;
  /** A link that was dialled was closed because its receiver threw. For logs. */
  onNotice?(message: string): void;
}

const OPTIONS: Record<keyof QuicTransportOptions, OptionKinds> = {
  retry: "boolean",
  maxConnections: "count",
  bindAny: "boolean",
  clientCa: "string",
  resolvePin: "function",
  resolveAuthority: "function",
  onNotice: "function",
};

/** The Link port over QUIC. Throws INVALID_ARGUMENT for options that make no sense. */
export function quicTransport(options: QuicTransportOptions = {}): Transport {
  checkOptions("quicTransport", options, OPTIONS);
  return new QuicTransport(options);
}

/** Anchors kept for later dials, at most. */
const MAX_ANCHORS = 1_000;

class QuicTransport implements Transport {
  readonly name = "quic";
  readonly #options: QuicTransportOptions;
  /** What proved an identity before; saves the query at later dials. */
  readonly #anchors = new Map<string, TrustAnchor>();

  constructor(options: QuicTransportOptions) {
    this.#options = options;
  }

  listen(request: ListenRequest): Promise<TransportListener> {
    return QuicListener.listen(request, this.#options);
  }

  /** Follows the table of docs/decisions/0004-pinning-and-private-names.md. */
  async dial(request: DialRequest): Promise<Link> {
    const dial = new QuicDial(request, (message) => this.#options.onNotice?.(message));
    const plan = dialPlan(request.address, request.trust, request.identity);
    switch (plan.kind) {
      case "unverified":
        return dial.connectUnverified(plan.serverName);
      case "direct":
        return dial.connect({ serverName: plan.serverName, ca: plan.ca, verify: true, provenIdentity: plan.identity });
      case "query-pin":
        return this.#dialByPin(dial, plan);
      case "query-authority":
        return this.#dialByAuthority(dial, plan);
    }
  }

  async #dialByPin(dial: QuicDial, plan: Extract<DialPlan, { kind: "query-pin" }>): Promise<Link> {
    const [only] = plan.acceptable;
    const known = plan.acceptable.length === 1 && only !== undefined ? this.#anchors.get(only) : undefined;
    if (known !== undefined) {
      try {
        return await dial.connectUnder(known);
      } catch (error) {
        // The server may have a new certificate for the same key.
        this.#anchors.delete(known.identity);
        if (!(error instanceof KwikError) || error.code !== "NOT_TRUSTED") throw error;
      }
    }
    const resolve = this.#options.resolvePin;
    if (resolve === undefined)
      throw new KwikError("NOT_SUPPORTED", "servers cannot be known by their key: the QUIC transport was made without resolvePin");
    const resolved = resolve(await dial.queryChain(), plan.acceptable);
    const anchor = plan.ca === undefined ? resolved : { ...resolved, ca: plan.ca };
    const link = await dial.connectUnder(anchor);
    if (plan.ca === undefined && this.#anchors.size < MAX_ANCHORS) this.#anchors.set(anchor.identity, anchor);
    return link;
  }

  async #dialByAuthority(dial: QuicDial, plan: Extract<DialPlan, { kind: "query-authority" }>): Promise<Link> {
    const resolve = this.#options.resolveAuthority;
    if (resolve === undefined) {
      throw new KwikError(
        "NOT_SUPPORTED",
        "servers cannot be known by an IP address: the QUIC transport was made without resolveAuthority",
      );
    }
    const anchor = resolve(await dial.queryChain(), plan.ca, plan.host);
    // What was claimed is proven under this anchor, or not at all.
    if (plan.revoked.includes(anchor.identity)) throw new KwikError("NOT_TRUSTED", `the server's key ${anchor.identity} was revoked`);
    return dial.connectUnder(anchor);
  }
}
