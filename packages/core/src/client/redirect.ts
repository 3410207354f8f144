import type { ClientSession } from "../api/contract.ts";
import { isKwikError, KwikError } from "../api/errors.ts";
import type { ServerAddress } from "../transport/address.ts";

/** Where a session begins. */
export interface Beginning {
  readonly address: ServerAddress;
  /** "sha256:…" that the server has to prove; undefined for whoever `trust` believes. */
  readonly identity: string | undefined;
  /** Whether the server may name another port instead. */
  readonly takesRedirect: boolean;
}

/** The server named the port of another of its processes. */
export class RedirectError extends KwikError {
  readonly port: number;
  /** What the server has proven. */
  readonly identity: string | undefined;

  constructor(port: number, identity: string | undefined) {
    super("LIMIT_REACHED", `another process of the server takes the session, at port ${port}`, { remote: true });
    this.port = port;
    this.identity = identity;
  }
}

/**
 * Begins a session, and goes to the port that the server names instead, once: to the same host, and to nobody who cannot prove the same key. If that fails the session
 * begins where it was to begin. spec: CTRL-20
 */
export async function beginWith(begin: (beginning: Beginning) => Promise<ClientSession>, first: Beginning): Promise<ClientSession> {
  try {
    return await begin(first);
  } catch (error) {
    if (!(error instanceof RedirectError)) throw error;
    const { identity, port } = error;
    const here: Beginning = { ...first, identity, takesRedirect: false };
    try {
      return await begin({ ...here, address: { ...first.address, port } });
    } catch (problem) {
      // What is wrong with the client is wrong everywhere.
      if (isKwikError(problem) && (problem.code === "ABORTED" || problem.code === "AUTH_REFUSED")) throw problem;
      return begin(here);
    }
  }
}
