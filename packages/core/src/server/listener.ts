import { DEFAULT_LIMITS, type Opening } from "@kwik/proto";
import { checkListenOptions } from "../api/check-listen-options.ts";
import type { CloseOptions, Listener, ServerSession, WaitOptions } from "../api/contract.ts";
import { isKwikError, KwikError } from "../api/errors.ts";
import { DEFAULT_LISTENER_LIMITS, type ListenLimits } from "../api/listener-limits.ts";
import type { ClusterOptions, ListenOptions, WebOptions } from "../api/options.ts";
import type { ListenerStats } from "../api/stats.ts";
import { AddressRange } from "../policy/address-range.ts";
import { AsyncQueue } from "../session/async-queue.ts";
import { formatAddress, parseAddress, type TransportName } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { TransportListener } from "../transport/transport.ts";
import type { RefusalReason } from "../api/refusal-reason.ts";
import { CountedNotices } from "./counted-notices.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { Draining } from "./draining.ts";
import { type AdmissionOwner, LinkAdmission } from "./link-admission.ts";
import type { ListenEnvironment } from "./listen-environment.ts";
import { type Refusal, refusalOf, shuttingDown } from "./refusal.ts";
import { replacementText } from "./replacement-text.ts";
import { SessionAdmission } from "./session-admission.ts";
import { SessionTable } from "./session-table.ts";
import { WaitingLinks } from "./waiting-links.ts";

/** Begins to serve. Rejects with KwikError IO if the address cannot be bound. */
export async function listenWith(environment: ListenEnvironment, address: string, options: ListenOptions): Promise<Listener> {
  checkListenOptions(options);
  const listener = new SessionListener(environment, options);
  await listener.start(address);
  return listener;
}

class SessionListener implements Listener, AdmissionOwner {
  readonly identity: string;
  readonly #environment: ListenEnvironment;
  readonly #options: ListenOptions;
  readonly #limits: ListenLimits;
  readonly #gate: ConnectionGate;
  readonly #admission: SessionAdmission;
  readonly #refusals: CountedNotices<RefusalReason>;
  readonly #sessions: SessionTable;
  readonly #queue = new AsyncQueue<ServerSession>();
  readonly #waiting: WaitingLinks;
  #certificate: string;
  #transportListener: TransportListener | undefined;
  /** The only one, if the address names it. */
  #transportName: TransportName | undefined;
  #redirected = 0;
  readonly #draining: Draining;
  /** Over when no certificate is being changed. */
  #updating: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(environment: ListenEnvironment, options: ListenOptions) {
    const { runtime, onNotice } = environment;
    const limits = { ...DEFAULT_LIMITS, ...DEFAULT_LISTENER_LIMITS, ...options.limits };
    const now = (): number => runtime.now();
    this.identity = environment.identity;
    this.#certificate = environment.tls.cert;
    this.#environment = environment;
    this.#options = options;
    this.#limits = limits;
    const proxies = (options.proxies ?? []).map((text) => AddressRange.parse(text));
    this.#gate = new ConnectionGate(limits, now, proxies);
    this.#refusals = new CountedNotices(now, onNotice);
    // Over all transports: each of them bounds those of its own before they get here.
    this.#waiting = new WaitingLinks(limits.maxHandshakes * 4, limits.maxBytesBeforeAuthInAll);
    this.#draining = new Draining(runtime);
    this.#sessions = new SessionTable(environment, options, limits);
    this.#admission = new SessionAdmission(environment, options, limits, {
      gate: this.#gate,
      sessions: this.#sessions,
      waiting: this.#waiting,
      queue: this.#queue,
      draining: this.#draining,
      isClosing: () => this.#closing !== undefined,
    });
  }

  async start(address: string): Promise<void> {
    const { transport, tls, onNotice } = this.#environment;
    const parsed = parseAddress(address);
    this.#transportName = parsed.transport;
    this.#transportListener = await transport.listen({
      address: parsed,
      tls,
      web: webOf(this.#options.web),
      validateAddresses: this.#options.validateAddresses,
      clientCa: this.#options.clientCa,
      proxies: this.#options.proxies,
      limits: this.#limits,
      onConnection: (remoteAddress) => this.#connection(remoteAddress),
      onRefused: (_remoteAddress, reason) => this.#refusals.add(reason, undefined),
      onLink: (link) => this.#admit(link),
      ...(onNotice === undefined ? {} : { onNotice }),
    });
    this.#sessions.endIdleLater();
  }

  get address(): string {
    return this.#transportListener?.address ?? "";
  }

  get certificate(): string {
    return this.#certificate;
  }

  get url(): string {
    const address = { ...parseAddress(this.address), transport: this.#transportName };
    return this.#transportName === undefined ? `kwik://${this.address}` : formatAddress(address);
  }

  accept(options: WaitOptions = {}): Promise<ServerSession> {
    return this.#queue.next(options.signal);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ServerSession> {
    for (;;) {
      let session: ServerSession;
      try {
        session = await this.accept();
      } catch (error) {
        if (isKwikError(error) && error.code === "CLOSED") return;
        throw error;
      }
      yield session;
    }
  }

  stats(): ListenerStats {
    return {
      ...this.#sessions.stats(),
      acceptedSessions: this.#admission.accepted,
      refusedSessions: this.#refusals.total,
      refusals: this.#refusals.counts(),
      redirectedSessions: this.#redirected,
      waitingConnections: this.#waiting.size,
    };
  }

  async updateTls(tls: { readonly cert: string; readonly key: string }): Promise<void> {
    const { identityOf } = this.#environment;
    if (identityOf === undefined) throw new KwikError("NOT_SUPPORTED", "certificates cannot be changed here");
    const identity = identityOf(tls.cert);
    if (identity !== this.identity) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `the certificate is for the key ${identity}, and this listener has ${this.identity}; renew with the same key, or listen anew`,
      );
    }
    const transport = this.#transportListener;
    if (transport?.updateTls === undefined) throw new KwikError("NOT_SUPPORTED", "this transport cannot change its certificate");
    // One after the other: a socket is bound anew for each.
    const update = this.#updating.then(() => transport.updateTls?.(tls));
    this.#updating = update.catch(() => undefined);
    await update;
    this.#certificate = tls.cert;
  }

  async updateCluster(cluster: ClusterOptions): Promise<void> {
    const { authority } = this.#environment;
    if (authority === undefined) throw new KwikError("NOT_SUPPORTED", "this listener belongs to no cluster; give `cluster` to listen");
    await authority.update(cluster);
    this.#sessions.endRevoked((identity) => authority.isRevoked(identity));
  }

  close(options: CloseOptions = {}): Promise<void> {
    const graceMs = options.graceMs ?? 0;
    if (Number.isNaN(graceMs) || graceMs < 0) {
      return Promise.reject(new KwikError("INVALID_ARGUMENT", `a time in milliseconds is not negative, and not ${graceMs}`));
    }
    let replacements: readonly string[];
    try {
      replacements = (options.replacements ?? []).map(replacementText);
    } catch (error) {
      return Promise.reject(KwikError.from(error));
    }
    const waitMs = Math.min(Math.ceil(graceMs), MAX_GRACE_MS);
    if (this.#closing === undefined) this.#closing = this.#close(waitMs, replacements);
    else this.#draining.endIn(waitMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number, replacements: readonly string[]): Promise<void> {
    const { runtime } = this.#environment;
    this.#sessions.stopIdle();
    this.#queue.end(new KwikError("CLOSED", "the listener was closed"));
    await this.#draining.run(this.#sessions.all(), graceMs, replacements);
    await Promise.all(this.#sessions.all().map((session) => session.closeWithGoingAway()));
    for (const admission of [...this.#waiting]) admission.refuse(refusalOf(shuttingDown()));
    await new Promise<void>((resolve) => runtime.setTimer(resolve, CLOSE_LINGER_MS));
    await this.#transportListener?.close();
    this.#admission.stop();
    this.#sessions.stop();
  }

  onOpening(admission: LinkAdmission, opening: Opening): void {
    this.#admission.decide(admission, opening).catch((error: unknown) => admission.refuse(refusalOf(error)));
  }

  onHeld(admission: LinkAdmission, bytes: number): void {
    this.#waiting.held(admission, bytes);
  }

  onRefused(admission: LinkAdmission, { text, reason }: Refusal): void {
    this.#waiting.delete(admission);
    if (reason === "redirected") this.#redirected += 1;
    else this.#refusals.add(reason, `refused ${admission.link.properties.remoteAddress}: ${text}`);
  }

  onGone(admission: LinkAdmission): void {
    this.#waiting.delete(admission);
  }

  #connection(remoteAddress: string): Refusal | undefined {
    const refusal = this.#draining.isOver ? refusalOf(shuttingDown()) : this.#gate.handshake(remoteAddress);
    if (refusal !== undefined) this.#refusals.add(refusal.reason, `refused ${remoteAddress}: ${refusal.text}`);
    return refusal;
  }

  #admit(link: Link): void {
    const { runtime, checksum } = this.#environment;
    const admission = new LinkAdmission(link, this.#limits, runtime, checksum, this);
    link.attach(admission);
    this.#waiting.add(admission);
  }
}

/** Longest grace of `close`: what timers of the host can measure, about 25 days. */
const MAX_GRACE_MS = 0x7fff_ffff;

/** Time for last acknowledgements to leave before the socket closes. */
const CLOSE_LINGER_MS = 50;

function webOf(web: ListenOptions["web"]): WebOptions | undefined {
  if (web === undefined || web === false) return undefined;
  return web === true ? {} : web;
}
