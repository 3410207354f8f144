import { type ContentSource, type ContentStore, KwikError } from "@kwik/core";
import type { TunnelEnd } from "@kwik/splice";
import type { IncomingTunnel, TunnelTarget } from "@kwik/tunnel";
import type { NameResolver } from "../allow-list.ts";
import { parseContentId } from "./content-id.ts";
import { OriginContent, type RangeTally } from "./origin-content.ts";
import type { OriginEvent, OriginStats } from "./origin-event.ts";
import type { OriginLimits } from "./origin-limits.ts";
import { OriginPlace } from "./origin-place.ts";
import { parseOriginRule, targetKey } from "./origin-rule.ts";
import { type ContentTunnel, WatchedTunnel } from "./watched-tunnel.ts";

export interface OriginsOptions {
  readonly rules: readonly string[];
  readonly ca: string | undefined;
  readonly limits: OriginLimits;
  readonly resolve: NameResolver;
  readonly onEvent: (event: OriginEvent) => void;
}

/** The HTTP origins that a gateway was told of: their responses may come from the replicas of all gateways. */
export class Origins {
  /** What other gateways have clients fetch from here. */
  readonly contents: ContentStore;
  readonly #places = new Map<string, OriginPlace>();
  readonly #limits: OriginLimits;
  readonly #onEvent: (event: OriginEvent) => void;
  readonly #tally: RangeTally = { rangeBytes: 0, failedRanges: 0 };
  /** When each reason was told last, and how often it was not since. */
  readonly #refusals = new Map<string, { readonly atMs: number; untold: number }>();
  #offered = 0;
  #passed = 0;
  #failed = 0;

  /** Throws INVALID_ARGUMENT for rules and limits that make no sense. */
  constructor({ rules, ca, limits, resolve, onEvent }: OriginsOptions) {
    if (!(limits.minReplicatedBytes >= MIN_REPLICATED_BYTES))
      throw new KwikError("INVALID_ARGUMENT", `minReplicatedBytes is ${limits.minReplicatedBytes}; it is at least ${MIN_REPLICATED_BYTES}`);
    this.#limits = limits;
    this.#onEvent = onEvent;
    for (const text of rules) {
      const rule = parseOriginRule(text);
      const key = targetKey(rule.target);
      if (this.#places.has(key)) throw new KwikError("INVALID_ARGUMENT", `the origin ${key} is named twice`);
      this.#places.set(key, new OriginPlace({ rule, limits, resolve, ca }));
    }
    this.contents = { open: (id, request) => this.#openFor(id, request?.sessionId) };
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  find(target: TunnelTarget): OriginPlace | undefined {
    return target.kind === "tcp" && this.#places.size > 0 ? this.#places.get(targetKey(target)) : undefined;
  }

  /** What joins a tunnel with a connection to this origin. */
  watch(
    tunnel: IncomingTunnel,
    place: OriginPlace,
    { client, session }: { client: string; session: string },
    idleTimeoutMs: number,
  ): TunnelEnd {
    const target = targetKey(place.rule.target);
    return new WatchedTunnel(tunnel satisfies ContentTunnel, {
      minReplicatedBytes: this.#limits.minReplicatedBytes,
      maxHeadBytes: this.#limits.maxHeadBytes,
      maxHashedAheadBytes: this.#limits.maxHashedAheadBytes,
      idleTimeoutMs,
      trial: (host, path) => this.#open(place, session, { target, host, path }),
      onOffered: (source: ContentSource) => {
        this.#offered += 1;
        this.#onEvent({ type: "content-offered", client, content: source.id, bytes: Number(source.length) });
      },
      onHashed: (source) => this.#onEvent({ type: "content-hashed", client, content: source.id }),
      onPassed: (reason) => {
        this.#passed += 1;
        this.#onEvent({ type: "content-passed", client, target, reason });
      },
      onOver: (source, error) => {
        if (error !== undefined) this.#failed += 1;
        const end = error === undefined ? "complete" : error.message;
        this.#onEvent({ type: "content-over", client, content: source.id, end });
      },
    });
  }

  stats(): OriginStats {
    return { offered: this.#offered, passed: this.#passed, failed: this.#failed, ...this.#tally };
  }

  /** Ends the connections that are kept. */
  close(): void {
    for (const place of this.#places.values()) place.close();
  }

  #open(place: OriginPlace, session: string, name: { target: string; host: string; path: string }): Promise<OriginContent> {
    const { trialTimeoutMs: trialMs, rangeTimeoutMs: rangeMs } = this.#limits;
    return OriginContent.open(place, { ...name, session }, { trialMs, rangeMs }, this.#tally);
  }

  /** Whoever asks for much that is not there does not fill the log. */
  #tellRefused(session: string, content: string, reason: string): void {
    const nowMs = performance.now();
    const told = this.#refusals.get(reason);
    if (told !== undefined && nowMs - told.atMs < REFUSAL_TELL_MS) {
      told.untold += 1;
      return;
    }
    this.#refusals.delete(reason);
    this.#refusals.set(reason, { atMs: nowMs, untold: 0 });
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > MAX_REASONS && oldest !== undefined) this.#refusals.delete(oldest);
    this.#onEvent({ type: "replica-refused", session, content, reason, untold: told?.untold ?? 0 });
  }

  async #openFor(id: string, session = ""): Promise<ContentSource | undefined> {
    const name = parseContentId(id);
    const place = name === undefined ? undefined : this.#places.get(name.target);
    if (name === undefined || place === undefined) return undefined;
    try {
      return await this.#open(place, session, name);
    } catch (error) {
      this.#tellRefused(session.slice(0, 8), id, KwikError.from(error).message);
      return undefined;
    }
  }
}

/** Reasons of refusals that are told apart, at most, and how often each is told, in milliseconds. */
const MAX_REASONS = 32;
const REFUSAL_TELL_MS = 10_000;

/** Two blocks: the first one is held until it is known that the origin gives ranges. */
const MIN_REPLICATED_BYTES = 512 * 1024;
