import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { TunnelRefusal } from "@kwik/tunnel";

/** How long one address of a target has for itself before the next is tried beside it, in milliseconds (RFC 8305, 5). */
const HEAD_START_MS = 250;
/** Addresses of one target that are tried, at most. */
const MAX_ADDRESSES = 16;

export type Destination = { readonly ips: readonly string[]; readonly port: number } | { readonly path: string };

export type Connection =
  | { readonly ok: true; readonly socket: Socket }
  | { readonly ok: false; readonly refusal: TunnelRefusal; readonly reason: string };

/** Connects to a unix socket, or to whichever of some addresses answers first; never to another one. Never rejects. */
export function connectTarget(destination: Destination, timeoutMs: number, signal: AbortSignal): Promise<Connection> {
  return new Attempts(attemptsFor(destination), timeoutMs, signal).outcome;
}

/** Attempts that begin one after the other, and do not end because the next one has begun. */
class Attempts {
  readonly outcome: Promise<Connection>;
  readonly #waiting: NetConnectOpts[];
  readonly #open = new Set<Socket>();
  readonly #failures: NodeJS.ErrnoException[] = [];
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #next: NodeJS.Timeout | undefined;
  #resolve!: (connection: Connection) => void;

  constructor(attempts: readonly NetConnectOpts[], timeoutMs: number, signal: AbortSignal) {
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
    this.#waiting = [...attempts];
    this.#signal = signal;
    const late = { ok: false, refusal: "timed-out", reason: `no answer within ${timeoutMs} ms` } as const;
    this.#timer = setTimeout(() => this.#finish(late), timeoutMs);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
    else this.#begin();
  }

  readonly #onAbort = (): void => this.#finish({ ok: false, refusal: "failed", reason: "it was given up" });

  #begin(): void {
    clearTimeout(this.#next);
    const options = this.#waiting.shift();
    if (options === undefined) return;
    const socket = connect(options);
    this.#open.add(socket);
    socket.once("connect", () => this.#finish({ ok: true, socket }));
    socket.on("error", (error) => this.#failed(socket, error));
    if (this.#waiting.length > 0) this.#next = setTimeout(() => this.#begin(), HEAD_START_MS);
  }

  #failed(socket: Socket, error: NodeJS.ErrnoException): void {
    if (!this.#open.delete(socket)) return;
    this.#failures.push(error);
    if (this.#waiting.length > 0) this.#begin();
    else if (this.#open.size === 0) this.#finish({ ok: false, ...refusalFor(this.#failures) });
  }

  #finish(connection: Connection): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#next);
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#waiting.length = 0;
    for (const socket of this.#open) if (!connection.ok || socket !== connection.socket) socket.destroy();
    // From now on the winner's errors are whose it is.
    if (connection.ok) connection.socket.removeAllListeners("error");
    this.#open.clear();
    this.#resolve(connection);
  }
}

function attemptsFor(destination: Destination): NetConnectOpts[] {
  if ("path" in destination) return [{ path: destination.path, allowHalfOpen: true }];
  const { ips, port } = destination;
  return alternating(ips)
    .slice(0, MAX_ADDRESSES)
    .map((host) => ({ host, port, allowHalfOpen: true, noDelay: true }));
}

/** Both kinds of addresses in turns, as one of them may lead nowhere; the first stays first. */
function alternating(ips: readonly string[]): string[] {
  const isFirstKind = (ip: string): boolean => ip.includes(":") === ips[0]?.includes(":");
  const [first, second] = [ips.filter(isFirstKind), ips.filter((ip) => !isFirstKind(ip))];
  return first.flatMap((ip, index) => [ip, ...second.slice(index, index + 1)]).concat(second.slice(first.length));
}

const refusals: Readonly<Record<string, TunnelRefusal>> = {
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-refused",
  ETIMEDOUT: "timed-out",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ENOENT: "connection-refused",
};

function refusalFor(errors: readonly NodeJS.ErrnoException[]): { refusal: TunnelRefusal; reason: string } {
  // Of several addresses one that was there counts most.
  const codes = errors.map((one) => one.code ?? "");
  const code = codes.find((one) => one === "ECONNREFUSED") ?? codes[0] ?? "";
  const refusal = refusals[code] ?? "failed";
  return { refusal, reason: refusal === "failed" ? `the target cannot be connected (${code})` : `the target: ${refusal}` };
}
