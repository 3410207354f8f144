import { ErrorCode, type MemberId, type Replacement, type SessionEvent, type SessionPath } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { PathPolicy } from "../api/options.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { checkAddress, checkResolved, type AddressPolicy } from "../policy/address-policy.ts";
import { formatAddress, parseAddress, type ServerAddress } from "../transport/address.ts";
import type { Link } from "../transport/link.ts";
import type { Redials } from "./redials.ts";
import type { TicketRequests } from "./ticket-requests.ts";
import { VainDials } from "./vain-dials.ts";

type PathRequested = Extract<SessionEvent, { type: "path-requested" }>;

const IDENTITY = /^sha256:[0-9a-f]{64}$/;
const IDENTITY_WORDS = "an identity reads sha256: and 64 hex digits";

/** A path whose link is there, about to join the session. */
export interface Joining {
  readonly path: SessionPath;
  readonly address: ServerAddress;
  readonly link: Link;
  /** What the server has proven to be; empty if nothing. */
  readonly identity: string;
  /** Empty where it joins without one. */
  readonly ticket: string;
  /** Who gave the ticket. */
  readonly voucher: MemberId | undefined;
}

/** What of the session's dialer is needed for them. */
export interface AdvertisedDialer {
  readonly maxPaths: number;
  isStopped(): boolean;
  /** Whether the session may have another path. */
  hasRoom(): boolean;
  /** Why it may not. */
  full(): KwikError;
  dial(address: ServerAddress, identity: string | undefined): Promise<Link>;
  join(joining: Joining): Promise<void>;
}

/** Addresses that servers name for their client to dial: whether it does, and what they hear of it. spec: PATH-15 */
export class AdvertisedAddresses {
  readonly vain: VainDials;
  readonly #driver: SessionDriver;
  readonly #redials: Redials;
  readonly #tickets: TicketRequests;
  readonly #dialer: AdvertisedDialer;
  readonly #onFailed: (address: string, error: KwikError) => void;
  /** Replacements that were named and whose server has not proven itself yet: each counts as dialled in vain. */
  readonly #unproven = new Set<string>();
  #policy: AddressPolicy;

  constructor(
    driver: SessionDriver,
    { policy, onFailed }: { readonly policy: PathPolicy; readonly onFailed: (address: string, error: KwikError) => void },
    redials: Redials,
    tickets: TicketRequests,
    dialer: AdvertisedDialer,
  ) {
    this.vain = new VainDials(driver.session.state.limits);
    this.#driver = driver;
    this.#redials = redials;
    this.#tickets = tickets;
    this.#dialer = dialer;
    this.#onFailed = onFailed;
    this.#policy = { ...policy, primaryIsPrivate: false };
  }

  /** The session's first server is in a private network, and so may be those that it names. */
  primaryIsPrivate(): void {
    this.#policy = { ...this.#policy, primaryIsPrivate: true };
  }

  /** The server at this address has proven itself. */
  proven(address: string): void {
    if (this.#unproven.delete(address)) this.vain.proven();
  }

  /** Why the addresses behind a name are not dialled; undefined if they may be. */
  refusalOf(ips: readonly string[]): string | undefined {
    const verdict = checkResolved(ips, this.#policy);
    return verdict.allowed ? undefined : verdict.reason;
  }

  /** A server that leaves named another one to be used instead. spec: DRAIN-2 */
  replace(member: MemberId, { address: text, identity }: Replacement): void {
    let address: ServerAddress;
    try {
      address = parseAddress(text);
    } catch {
      this.#onFailed(text, new KwikError("ADDRESS_REFUSED", "a replacement was named that is no address"));
      return;
    }
    const key = formatAddress(address);
    const verdict = this.#redials.isOwn(key) ? { allowed: true as const } : checkAddress(text, this.#policy);
    if (!verdict.allowed) {
      this.#onFailed(key, new KwikError("ADDRESS_REFUSED", verdict.reason));
      return;
    }
    if (identity !== "" && !IDENTITY.test(identity)) {
      this.#onFailed(key, new KwikError("IDENTITY_MISMATCH", IDENTITY_WORDS));
      return;
    }
    if (this.#redials.count >= this.#dialer.maxPaths) {
      this.#onFailed(key, this.#dialer.full());
      return;
    }
    // It is an order to dial like any other. spec: PATH-15
    if (!this.#redials.isOwn(key) && !this.#redials.wasActive(key) && !this.#unproven.has(key)) {
      if (!this.vain.begin(this.#driver.runtime.now())) {
        this.#onFailed(key, new KwikError("LIMIT_REACHED", "too many were dialled in vain (limits.maxVainDials)"));
        return;
      }
      this.#unproven.add(key);
    }
    this.#redials.dial(address, { authority: member, ...(identity === "" ? {} : { identity }) });
  }

  /** A server asked for a path. spec: PATH-8, PATH-15 */
  async addRequested(event: PathRequested): Promise<void> {
    const { session, runtime } = this.#driver;
    const refuse = (code: ErrorCode, reason: string): void => {
      session.clientPaths?.refuse(event.fromMember, event.requestId, code, reason);
      this.#driver.schedule();
    };
    const verdict = checkAddress(event.address, this.#policy);
    if (!verdict.allowed) {
      refuse(ErrorCode.ADDRESS_REFUSED, verdict.reason);
      this.#onFailed(event.address, new KwikError("ADDRESS_REFUSED", verdict.reason));
      return;
    }
    if (!this.#dialer.hasRoom()) {
      refuse(ErrorCode.LIMIT_REACHED, `the client allows ${this.#dialer.maxPaths} paths`);
      return;
    }
    if (this.#dialer.isStopped()) return;
    const address = parseAddress(event.address);
    const identity = event.identity === "" ? undefined : event.identity;
    if (identity !== undefined && !IDENTITY.test(identity)) {
      refuse(ErrorCode.IDENTITY_MISMATCH, IDENTITY_WORDS);
      return;
    }
    const full = session.clientPaths?.refusalOf(formatAddress(address), identity);
    if (full !== undefined) {
      refuse(full.code, full.reason);
      return;
    }
    if (!this.vain.begin(runtime.now())) {
      refuse(ErrorCode.LIMIT_REACHED, "too many were dialled in vain (limits.maxVainDials)");
      return;
    }
    const path = session.opening.openPath(runtime.now(), {
      address: formatAddress(address),
      identity,
      priority: event.priority,
      request: { member: event.fromMember, requestId: event.requestId },
    });
    // With the identity known the ticket is on its way while the link comes up.
    const early = identity === undefined ? undefined : this.#tickets.request(path.id, identity);
    this.#driver.schedule();
    let link: Link;
    try {
      link = await this.#dialer.dial(address, identity);
    } catch (error) {
      // It ends when its time is over, as if nobody had answered.
      this.vain.failed(path, KwikError.from(error));
      return;
    }
    this.vain.proven();
    try {
      const proven = link.properties.provenIdentity ?? identity ?? "";
      const ticket = await (early ?? this.#tickets.request(path.id, proven));
      if (ticket === undefined || ticket.code !== 0) {
        throw new KwikError("TICKET_REFUSED", ticket === undefined ? "the server that wanted the path gave no ticket" : ticket.reason);
      }
      await this.#dialer.join({ path, address, link, identity: proven, ticket: ticket.ticket, voucher: event.fromMember });
    } catch (error) {
      const problem = KwikError.from(error);
      link.close(codeOf(problem), "");
      session.linkLost(runtime.now(), path.id, codeOf(problem), problem.message);
      this.#driver.pump();
    }
  }
}

function codeOf(error: KwikError): ErrorCode {
  return error.code in ErrorCode ? ErrorCode[error.code as keyof typeof ErrorCode] : ErrorCode.UNREACHABLE;
}
