import type { ClientSession } from "../api/contract.ts";
import { isKwikError, KwikError } from "../api/errors.ts";
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
 * to no port that a server may not choose, and to nobody who cannot prove the same key. If that fails the session begins where it was to begin. spec: CTRL-20
 */
export async function beginWith(begin: (beginning: Beginning) => Promise<ClientSession>, first: Beginning): Promise<ClientSession> {
  try {
    return await begin(first);
  } catch (error) {
    if (!(error instanceof RedirectError)) throw error;
    const { identity, port, ip } = error;
    const here: Beginning = { ...first, identity, takesRedirect: false };
    if (isRefusedPort(port)) return begin(here);
    try {
      return await begin({ ...here, address: { ...first.address, port }, ip });
    } catch (problem) {
      // What is wrong with the client is wrong everywhere.
      if (isKwikError(problem) && (problem.code === "ABORTED" || problem.code === "AUTH_REFUSED")) throw problem;
      return begin({ ...here, hasDialledInVain: true });
    }
  }
}
