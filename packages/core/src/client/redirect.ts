import { isKwikError, KwikError } from "../api/errors.ts";
import type { Runtime } from "../driver/runtime.ts";
import { isRefusedPort } from "../policy/address-policy.ts";
import type { ServerAddress } from "../transport/address.ts";

/** Where a session begins. */
export interface Beginning {
  readonly address: ServerAddress;
  /** "sha256:…" that the server has to prove; undefined for whoever `trust` believes. */
  readonly identity: string | undefined;
  /** Where to dial that host, whatever its name stands for; undefined to go by its name. */
  readonly ip: string | undefined;
  /** Whether a server has named a port already at which the session could not begin: a dial in vain, like one that a server asks for. spec: PATH-15 */
  readonly hasDialledInVain: boolean;
  /** Whether the server may name another port instead. */
  readonly takesRedirect: boolean;
  readonly signal: AbortSignal | undefined;
  /** Told when a server has answered there and proven itself. */
  readonly onReached?: () => void;
}

/** The server named the port of another of its processes. */
export class RedirectError extends KwikError {
  readonly port: number;
  /** What the server has proven. */
  readonly identity: string | undefined;
  /** The IP address that has answered; undefined where that cannot be seen, in browsers. */
  readonly ip: string | undefined;

  constructor(port: number, identity: string | undefined, ip: string | undefined) {
    super("LIMIT_REACHED", `another process of the server takes the session, at port ${port}`, { remote: true });
    this.port = port;
    this.identity = identity;
    this.ip = ip;
  }
}

/**
 * Begins a session, and goes to the port that the server names instead, once: to the very address that has answered, since the host's name may stand for another one by now,
 * to no port that a server may not choose, and to nobody who cannot prove the same key. If that fails the session begins where it was to begin, `timeoutMs` after the other port was dialled and not
 * sooner, so that the server does not see by the time what is there. spec: CTRL-20
 */
export async function beginWith<S>(
  begin: (beginning: Beginning) => Promise<S>,
  first: Beginning,
  { runtime, timeoutMs }: { readonly runtime: Runtime; readonly timeoutMs: number },
): Promise<S> {
  let redirect: RedirectError;
  try {
    return await begin(first);
  } catch (error) {
    if (!(error instanceof RedirectError)) throw error;
    redirect = error;
  }
  const here: Beginning = { ...first, identity: redirect.identity, takesRedirect: false };
  if (isRefusedPort(redirect.port)) return await begin(here);
  const there: Beginning = { ...here, address: { ...first.address, port: redirect.port }, ip: redirect.ip };
  const patience = new Patience(runtime, timeoutMs, first.signal);
  try {
    return await begin({ ...there, signal: patience.signal, onReached: () => patience.end() });
  } catch (problem) {
    // What is wrong with the client is wrong everywhere, if it is one of the server's processes that says so.
    if (patience.hasEnded && isKwikError(problem) && problem.code === "AUTH_REFUSED") throw problem;
    // Who has proven himself may see how he is left.
    if (!patience.hasEnded) await patience.over;
    if (first.signal?.aborted === true) throw new KwikError("ABORTED", "the dial was aborted", { cause: first.signal.reason });
    return await begin({ ...here, hasDialledInVain: true });
  } finally {
    patience.end();
  }
}

/** The time in which somebody has to answer at a port that a server chose. */
class Patience {
  /** Aborted when the time is over, or the dial is. */
  readonly signal: AbortSignal;
  /** Resolves then. */
  readonly over: Promise<void>;
  /** Whether nobody is waited for any more. */
  hasEnded = false;
  readonly #runtime: Runtime;
  readonly #timer: unknown;

  constructor(runtime: Runtime, timeoutMs: number, dialSignal: AbortSignal | undefined) {
    const controller = new AbortController();
    this.signal = dialSignal === undefined ? controller.signal : AbortSignal.any([dialSignal, controller.signal]);
    this.over = new Promise((resolve) => this.signal.addEventListener("abort", () => resolve(), { once: true }));
    this.#runtime = runtime;
    this.#timer = runtime.setTimer(() => controller.abort(), timeoutMs);
  }

  end(): void {
    this.hasEnded = true;
    this.#runtime.clearTimer(this.#timer);
  }
}
